import { setTimeout as wait } from 'node:timers/promises';
import type { Doing } from '../../../core/backup/store.ts';
import { type Bounds, nameOf } from '../../../core/database/divergence.ts';
import type { FitnessTask, TaskDone } from '../../../core/database/task.ts';
import { StewardError } from '../../../core/errors.ts';
import type { PgAccess, PgSession } from '../../sources/postgres/access.ts';
import { lockedDuring } from './locks.ts';
import { findRelation, lockedBy, openPatient, type Relation, worksOn } from './place.ts';

/** Statistics of what was done reach others with a delay in servers before 15. */
const TOLD_WITHIN_MS = 3_000;
const LOOK_EVERY_MS = 100;

/** VACUUM or ANALYZE of one table, beside whoever reads and writes it. Never FULL. */
export async function tend(
  access: PgAccess,
  task: FitnessTask & { readonly kind: 'vacuum' | 'analyze' },
  { lockMs, doing, bounds }: { readonly lockMs: number; readonly doing: Doing; readonly bounds?: Bounds | undefined },
): Promise<TaskDone> {
  const { kind, database, object } = task;
  await using session = await openPatient(access, database, { lockMs, doing });
  const table = object === undefined ? undefined : await findRelation(session, object, ['r', 'm', 'p']);
  if (!table) throw new StewardError('NOT_FOUND', `${database} has no table ${object ?? 'without a name'} any more.`);
  const holder = await worksOn(session, table.table);
  if (holder) throw lockedBy(`${object} of ${database}`, holder);
  const before = await stateOf(session, table);
  const started = performance.now();
  // Truncating the end of a table would take its strongest lock, for which everybody waits.
  const statement = kind === 'vacuum' ? `vacuum (truncate false) ${table.sql}` : `analyze ${table.sql}`;
  const { locks } = await lockedDuring(
    access,
    { database, pid: session.pid, signal: doing.signal, within: { what: nameOf(task), bounds } },
    () => session.rows(statement),
  );
  const durationMs = performance.now() - started;
  const after = await told(session, table, kind, before, doing);
  return {
    durationMs,
    beforeBytes: before.bytes,
    afterBytes: after.bytes,
    locks,
  };
}

interface State extends Record<string, unknown> {
  readonly vacuumed: string;
  readonly analyzed: string;
  readonly bytes: number;
}

async function stateOf(session: PgSession, { oid }: Relation): Promise<State> {
  const [state] = await session.rows<State>(
    `select coalesce(vacuum_count, 0)::text as vacuumed, coalesce(analyze_count, 0)::text as analyzed, pg_catalog.pg_table_size($1::int8::oid)::float8 as bytes
      from pg_catalog.pg_stat_all_tables where relid = $1::int8::oid`,
    [oid],
  );
  return state ?? { vacuumed: '0', analyzed: '0', bytes: 0 };
}

/** Who may not gets a warning and no error, and then nothing was done. */
async function told(
  session: PgSession,
  table: Relation,
  kind: 'vacuum' | 'analyze',
  before: State,
  { signal }: Doing,
): Promise<State> {
  const counted = kind === 'vacuum' ? 'vacuumed' : 'analyzed';
  const until = performance.now() + TOLD_WITHIN_MS;
  for (;;) {
    const state = await stateOf(session, table);
    if (state[counted] !== before[counted]) return state;
    if (performance.now() > until)
      throw new StewardError('FORBIDDEN', `PostgreSQL did not ${kind} ${table.sql}: its user may not.`, {
        hint: 'Only its owner, the owner of the database and superusers may; from version 17 on who has pg_maintain.',
      });
    await wait(LOOK_EVERY_MS, undefined, { signal });
  }
}
