import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { usePages } from '../../api/use-pages.ts';
import { State } from '../../parts/state.tsx';
import { ReportList } from './report-list.tsx';

/** What did the week bring? */
export function WeeklySummaries() {
  const reports = usePages('/api/v1/weekly-summaries', { query: { limit: 60 } });
  return (
    <ReportList
      title="Weeks"
      about="What did the week bring, on all machines? Summed up on Sundays at 08:00 UTC."
      automation="summarize-week"
      reports={reports}
    >
      {({ id, at, incidents, open, proven, failedRuns }) => (
        <>
          <Link to="/reports/weekly/$id" params={{ id }} className="quiet-link">
            {new Date(at).toLocaleString()}
          </Link>
          <State word={open === 0 ? 'nothing open' : `${open} open`} tone={open === 0 ? 'good' : 'warn'} />
          <Text size="sm" c="dimmed" className="grow">
            {incidents} {incidents === 1 ? 'incident' : 'incidents'}, {proven} {proven === 1 ? 'copy' : 'copies'}{' '}
            proven, {failedRuns} {failedRuns === 1 ? 'run' : 'runs'} failed
          </Text>
        </>
      )}
    </ReportList>
  );
}
