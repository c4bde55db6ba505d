import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { Ago } from './ago.tsx';
import { Row } from './card.tsx';
import type { Run } from './plan.tsx';
import { State } from './state.tsx';

export function RunRow({ run }: { readonly run: Run }) {
  return (
    <Row>
      <Link to="/runs/$id" params={{ id: run.id }} className="quiet-link">
        {run.automation}
        {run.target && ` ${run.target.name}`}
      </Link>
      <State word={run.status} />
      {run.dryRun && <State word="plan only" tone="calm" />}
      <Text size="sm" c="dimmed" className="grow" truncate>
        {run.error?.message ?? run.reason ?? run.progress?.message ?? `by ${run.actor.name}`}
      </Text>
      <Text size="sm" c="dimmed">
        <Ago at={run.createdAt} />
      </Text>
    </Row>
  );
}
