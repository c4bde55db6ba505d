import { Title } from '@mantine/core';
import classes from './verdict.module.css';

interface VerdictProps {
  readonly verdict: 'ok' | 'attention' | 'broken' | 'unknown';
  readonly sentence: string;
}

/** One sentence for everything. */
export function Verdict({ verdict, sentence }: VerdictProps) {
  return (
    <section className={classes.verdict} data-verdict={verdict} role="status">
      <Title order={1} size="h3">
        {sentence}
      </Title>
    </section>
  );
}
