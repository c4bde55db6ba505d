import { Anchor } from '@mantine/core';
import { Link, useParams } from '@tanstack/react-router';
import { usePages } from '../../api/use-pages.ts';
import { Page } from '../../parts/page.tsx';
import { Records } from './audit.tsx';

/** The story of one thing in its order: what was done to it, and what came of that. */
export function Trail() {
  const { kind, id } = useParams({ from: '/audit/$kind/$id' });
  const records = usePages('/api/v1/audit-trail', { query: { type: kind, id, limit: 100 } }, { still: true });
  return (
    <Page
      title={`${kind} ${id}`}
      about={
        <>
          What was done to it, and what came of that, in its order. <Link to="/audit">The whole record</Link>
        </>
      }
      actions={
        kind === 'run' && (
          <Anchor renderRoot={(props) => <Link to="/runs/$id" params={{ id }} {...props} />}>The run</Anchor>
        )
      }
    >
      <Records records={records} none="Nothing is recorded of it." />
    </Page>
  );
}
