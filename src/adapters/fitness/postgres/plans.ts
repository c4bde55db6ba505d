import type { Doing } from '../../../core/backup/store.ts';
import type { StatementPlans } from '../../../core/database/plans.ts';
import { openSession, type PgAccess } from '../../sources/postgres/access.ts';
import { openServer } from '../../sources/postgres/look.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import { prepared } from './advise.ts';
import { type Node, nodesOf } from './candidates.ts';
import { frequentIn, NO_STATEMENTS } from './slow.ts';

/** Planning calls nothing of the application but what may be folded: more time than this means something is wrong. */
const PLANS_WITHIN_MS = 5_000;

/** How the server goes about what it is asked most often, for whatever values; nothing of it is run. */
export async function plansOf(
  access: PgAccess,
  source: SourceOf<'postgres'>,
  databases: readonly string[],
  doing: Doing,
): Promise<StatementPlans> {
  let statements = await (async () => {
    await using session = await openServer(access, source, doing);
    return await frequentIn(session, databases);
  })();
  for (const database of databases) {
    if (statements) break;
    await using session = await openSession(access, database, doing);
    statements = await frequentIn(session, databases);
  }
  if (!statements) return { plans: [], why: `pg_stat_statements is not there. ${NO_STATEMENTS.hint}` };
  const plans: StatementPlans['plans'][number][] = [];
  for (const [database, some] of Map.groupBy(statements, (one) => one.database)) {
    await using session = await openSession(access, database, doing);
    // As the application finds its tables.
    await session.rows('reset search_path');
    await session.rows(`set statement_timeout = ${PLANS_WITHIN_MS}`);
    await session.rows("set lock_timeout = '2s'");
    for (const [at, { statement, calls }] of some.entries()) {
      doing.signal.throwIfAborted();
      const explain = await prepared(session, statement, `steward_plan_${at}`);
      if (!explain) continue;
      const { cost, plan } = await explain();
      plans.push({ database, statement, calls, cost, plan: nodesOf(plan).map(wordsOf).join(', ') });
    }
  }
  return plans.length > 0
    ? { plans }
    : { plans, why: 'no statement was asked yet that can be planned without its values' };
}

function wordsOf(node: Node): string {
  const { 'Node Type': type, 'Index Name': index, 'Relation Name': table } = node;
  return [
    type,
    ...(index === undefined ? [] : [`using ${index}`]),
    ...(table === undefined ? [] : [`on ${table}`]),
  ].join(' ');
}
