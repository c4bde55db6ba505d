import { setTimeout as wait } from 'node:timers/promises';
import type { Doing } from '../../../core/backup/store.ts';
import { type Bounds, diverged, nameOf } from '../../../core/database/divergence.ts';
import type { FitnessTask, TaskDone } from '../../../core/database/task.ts';
import { StewardError } from '../../../core/errors.ts';
import { identifier, type PgAccess, type PgSession } from '../../sources/postgres/access.ts';
import { lockedDuring } from './locks.ts';
import { findRelation, type Holder, lockedBy, openPatient, type Relation, worksOn } from './place.ts';
import { assertRoom } from './room.ts';

const LOOK_EVERY_MS = 100;
const LOOKS_AT_LEAST_MS = 1_000;
const ENDS_WITHIN_MS = 15_000;
const CLEANS_WITHIN_MS = 60_000;

interface Patience {
  readonly lockMs: number;
  readonly doing: Doing;
  readonly bounds?: Bounds | undefined;
}

/**
 * Builds an index anew beside the old one. PostgreSQL leaves an invalid index behind where that fails halfway; here it does
 * not stay: it is removed whatever failed, a canceled run and an ended session included.
 */
export async function reindex(access: PgAccess, task: FitnessTask, patience: Patience): Promise<TaskDone> {
  const { database, object = '' } = task;
  await using session = await openPatient(access, database, patience);
  const index = await findRelation(session, object, ['i']);
  if (!index) throw new StewardError('NOT_FOUND', `${database} has no index ${object} any more.`);
  const { bounds } = patience;
  const definition = await definitionOf(session, index.oid);
  if (bounds?.definition !== undefined && bounds.definition !== definition)
    throw diverged(nameOf(task), `it is now "${definition}", and was rehearsed as "${bounds.definition}"`);
  await awaitTurn(session, index, { what: `${object} of ${database}`, ...patience });
  await dropLeftovers(session, index.table);
  const before = await sizeOf(session, index.oid);
  await assertRoom(session, access, index.oid, before);
  const started = performance.now();
  let locks: TaskDone['locks'];
  try {
    ({ locks } = await lockedDuring(
      access,
      { database, pid: session.pid, signal: patience.doing.signal, within: { what: nameOf(task), bounds } },
      () => session.rows(`reindex index concurrently ${index.sql}`),
    ));
  } catch (thrown) {
    await cleanUp(access, { database, table: index.table, pid: session.pid }, thrown);
    throw thrown;
  }
  const durationMs = performance.now() - started;
  const now = await findRelation(session, object, ['i']);
  return {
    durationMs,
    beforeBytes: before,
    ...(now && { afterBytes: await sizeOf(session, now.oid) }),
    locks,
    definition,
  };
}

export async function dropInvalid(access: PgAccess, task: FitnessTask, patience: Patience): Promise<TaskDone> {
  const { database, object = '' } = task;
  await using session = await openPatient(access, database, patience);
  const index = await findRelation(session, object, ['i']);
  const started = performance.now();
  if (!index) return { durationMs: 0, locks: [] };
  if (index.valid || !LEFTOVER.test(index.name))
    throw new StewardError('PRECONDITION_FAILED', `${object} of ${database} is not what a failed rebuild left.`, {
      hint: 'It stays. Look again: steward databases show.',
    });
  const holder = await worksOn(session, index.table);
  if (holder) throw lockedBy(`${object} of ${database}`, holder);
  const beforeBytes = await sizeOf(session, index.oid);
  await session.rows(`drop index concurrently if exists ${index.sql}`);
  return { durationMs: performance.now() - started, beforeBytes, afterBytes: 0, locks: [] };
}

/** Names that PostgreSQL gives to what it builds anew, and to what it replaces. */
const LEFTOVER = /_cc(?:new|old)\d*$/;

/**
 * Who writes to the table now, or looks at the database of an older time, is waited for before anything is begun: with the
 * build begun and given up, there would be something to remove, and its removal waits for the same ones.
 */
async function awaitTurn(
  session: PgSession & { readonly pid: number },
  { table }: Relation,
  { what, lockMs, doing }: Patience & { readonly what: string },
): Promise<void> {
  const until = performance.now() + lockMs;
  const first = new Set((await inTheWay(session, table)).map(({ transaction }) => transaction));
  for (let pause = LOOK_EVERY_MS; ; pause = Math.min(LOOKS_AT_LEAST_MS, pause * 2)) {
    // Those who came later have their turn behind: somebody always writes.
    const holder =
      (await worksOn(session, table)) ??
      (await inTheWay(session, table)).find(({ transaction }) => first.has(transaction));
    if (!holder) return;
    if (performance.now() > until) throw lockedBy(what, holder);
    await wait(pause, undefined, { signal: doing.signal });
  }
}

/** Transactions that hold the table, or a snapshot of it. */
async function inTheWay(
  session: PgSession,
  table: number,
): Promise<readonly (Holder & { readonly transaction: string })[]> {
  return await session.rows(
    `select a.pid, a.pid || ' ' || a.xact_start as transaction,
        coalesce(nullif(a.application_name, ''), a.usename, 'somebody') || ', ' || coalesce(a.state, a.backend_type, 'at work') as what
      from pg_catalog.pg_stat_activity a
      where a.pid <> pg_catalog.pg_backend_pid() and a.xact_start is not null
        and (exists (select from pg_catalog.pg_locks l where l.pid = a.pid and l.relation = $1::int8::oid
            and l.database = (select oid from pg_catalog.pg_database where datname = current_database()))
          or (a.datname = current_database() and a.backend_xmin is not null and a.backend_type = 'client backend'))
      order by a.xact_start`,
    [table],
  );
}

async function leftoversOf(session: PgSession, table: number): Promise<string[]> {
  const rows = await session.rows<{ schema: string; name: string }>(
    `select n.nspname as schema, c.relname as name from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
      join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where (i.indrelid = $1::int8::oid or i.indrelid = (select reltoastrelid from pg_catalog.pg_class where oid = $1::int8::oid))
        and not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'`,
    [table],
  );
  return rows.map(({ schema, name }) => `${identifier(schema)}.${identifier(name)}`);
}

/** Of nobody who works there now: that was looked at before. */
async function dropLeftovers(session: PgSession, table: number): Promise<void> {
  for (const sql of await leftoversOf(session, table)) await session.rows(`drop index concurrently if exists ${sql}`);
}

/** By a session and a deadline of its own: the one that built may be gone, and its run canceled. */
async function cleanUp(
  access: PgAccess,
  { database, table, pid }: { readonly database: string; readonly table: number; readonly pid: number },
  cause: unknown,
): Promise<void> {
  const deadline = performance.now() + CLEANS_WITHIN_MS;
  let last: unknown;
  for (let patience = LOOK_EVERY_MS; performance.now() < deadline; patience = Math.min(5_000, patience * 2)) {
    try {
      const doing = { signal: AbortSignal.timeout(CLEANS_WITHIN_MS) };
      await using session = await openPatient(access, database, { lockMs: 5_000, doing });
      await endBuilder(session, pid, table);
      await dropLeftovers(session, table);
      return;
    } catch (thrown) {
      last = thrown;
      await wait(patience);
    }
  }
  const why = StewardError.from(cause);
  throw new StewardError(
    why.code,
    `${why.message} An invalid index is left in ${database}, because: ${StewardError.from(last).message}`,
    { hint: 'The next maintenance removes it. It costs writes and does no other harm.', cause },
  );
}

/** A server that lost its client goes on building until it looks; it is told to stop, and waited for. */
async function endBuilder(session: PgSession, pid: number, table: number): Promise<void> {
  const until = performance.now() + ENDS_WITHIN_MS;
  for (;;) {
    const rows = await session.rows(
      `select pg_catalog.pg_cancel_backend(pid) from pg_catalog.pg_stat_progress_create_index where pid = $1 and relid = $2::int8::oid`,
      [pid, table],
    );
    if (rows.length === 0 || performance.now() > until) return;
    await wait(LOOK_EVERY_MS);
  }
}

async function definitionOf(session: PgSession, oid: number): Promise<string> {
  const [row] = await session.rows<{ definition: string }>(
    'select pg_catalog.pg_get_indexdef($1::int8::oid) as definition',
    [oid],
  );
  return row?.definition ?? '';
}

async function sizeOf(session: PgSession, oid: number): Promise<number> {
  const [row] = await session.rows<{ bytes: number }>(
    'select pg_catalog.pg_relation_size($1::int8::oid)::float8 as bytes',
    [oid],
  );
  return row?.bytes ?? 0;
}
