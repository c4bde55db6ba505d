import type { HealthFindings, HealthTrend } from '../../core/health-report.ts';
import type { ReportsTables } from './tables.ts';
import type { Store } from '../../store/store.ts';

/** As many as a month has days. */
const LATEST = 31;

/** The scores of this machine up to this report. */
export async function trendUntil(
  { node, at }: Pick<HealthFindings, 'node' | 'at'>,
  db: Store['db'],
): Promise<HealthTrend> {
  const rows = await db
    .withTables<ReportsTables>()
    .selectFrom('health_reports')
    .select(['at', 'score'])
    .where('node_name', '=', node)
    .where('at', '<=', at)
    .orderBy('at', 'desc')
    .limit(LATEST)
    .execute();
  return rows.toReversed();
}
