import { Text } from '@mantine/core';
import { Link } from '@tanstack/react-router';
import { usePages } from '../../api/use-pages.ts';
import { ReportList } from './report-list.tsx';
import { ScoreState } from './score-state.tsx';

/** What gets slower, and what is short? */
export function PerformanceReports() {
  const reports = usePages('/api/v1/performance-reports', { query: { limit: 60 } });
  return (
    <ReportList
      title="Performance reports"
      about="What gets slower, and what is short? One is made each morning at 07:00 UTC, and one of the week on Sundays at 08:00."
      automation="report-performance"
      reports={reports}
      scoresOf={({ node, period }) => `${node}, ${period}`}
    >
      {({ id, node, at, score, period, agentUptimePercent, backupSuccessPercent }) => (
        <>
          <Link to="/reports/performance/$id" params={{ id }} className="quiet-link">
            {new Date(at).toLocaleString()}
          </Link>
          <ScoreState score={score} />
          <Text size="sm" c="dimmed" className="grow">
            {[
              `${node}, ${period}`,
              agentUptimePercent !== undefined && `AI agents were there ${agentUptimePercent} %`,
              backupSuccessPercent !== undefined && `${backupSuccessPercent} % of the copies succeeded`,
            ]
              .filter((part) => part !== false)
              .join('; ')}
          </Text>
        </>
      )}
    </ReportList>
  );
}
