import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { usePages } from '../../api/use-pages.ts';
import { State } from '../../parts/state.tsx';
import { ReportList } from './report-list.tsx';

/** How was it, day by day? */
export function HealthReports() {
  const reports = usePages('/api/v1/health-reports', { query: { limit: 60 } });
  return (
    <ReportList
      title="Health reports"
      about="How was it, day by day? One is made each morning at 06:00 UTC."
      automation="daily-health-check"
      reports={reports}
      scoresOf={({ node }) => node}
    >
      {({ id, node, at, score, failed, warnings, critical }) => (
        <>
          <Link to="/reports/$id" params={{ id }} className="quiet-link">
            {new Date(at).toLocaleString()}
          </Link>
          <State word={`${score} of 100`} tone={critical ? 'bad' : failed > 0 || warnings > 0 ? 'warn' : 'good'} />
          <Text size="sm" c="dimmed" className="grow">
            {node}: {failed} failed, {warnings} {warnings === 1 ? 'warning' : 'warnings'}
            {critical && ', critical'}
          </Text>
        </>
      )}
    </ReportList>
  );
}
