import { sql } from 'kysely';
import type { ReportScore, Stretch } from '../../core/ports/history.ts';
import type { ReportKindName } from '../../core/report-period.ts';
import type { ScoreTrend } from '../../core/score.ts';
import type { Store } from '../../store/store.ts';
import type { AnyReport } from './kinds.ts';
import type { ReportsTables } from './tables.ts';

/** As many as a month has days. */
const LATEST = 31;

/** The scores of this machine up to this report, of reports that look as far back. */
export async function trendUntil(
  kind: ReportKindName,
  { node, at, period }: Pick<AnyReport, 'node' | 'at' | 'period'>,
  db: Store['db'],
): Promise<ScoreTrend> {
  const rows = await db
    .withTables<ReportsTables>()
    .selectFrom('reports')
    .select(['at', 'score'])
    .where('kind', '=', kind)
    .where('node_name', '=', node)
    .where('at', '<=', at)
    .where('score', 'is not', null)
    .$if(period !== undefined, (query) => query.where(sql`facts->>'period'`, '=', period ?? ''))
    .orderBy('at', 'desc')
    .limit(LATEST)
    .execute();
  return rows.toReversed().flatMap(({ at: when, score }) => (score === null ? [] : [{ at: when, score }]));
}

/** How the reports of a time turned out, the oldest first. */
export async function scoresOf(db: Store['db'], { from, to }: Stretch): Promise<ReportScore[]> {
  const rows = await db
    .withTables<ReportsTables>()
    .selectFrom('reports')
    .select(['kind', 'node_name', 'at', 'score'])
    .where('at', '>=', from)
    .where('at', '<', to)
    .where('score', 'is not', null)
    // A week in the line of days would be counted twice.
    .where(sql<boolean>`coalesce(facts->>'period', 'daily') = 'daily'`)
    .orderBy('at')
    .execute();
  return rows.flatMap(({ kind, node_name: node, at, score }) =>
    score === null ? [] : [{ report: kind, node, at, score }],
  );
}
