import { setTimeout as sleep } from 'node:timers/promises';
import type { DatabaseAt } from '../../../core/database/engine.ts';
import { type Bounds, diverged, nameOf } from '../../../core/database/divergence.ts';
import type { FitnessTask, TaskDone } from '../../../core/database/task.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { Reaching } from '../../sources/reaching.ts';
import {
  accessTo,
  identifier,
  type MyAccess,
  type MySession,
  openSession,
  qualified,
  type Row,
} from '../../sources/mysql/access.ts';
import { assertNoLongQuery, flushesTables } from './analyze.ts';
import { assertRoom } from './room.ts';
import { serverOf } from './session.ts';
import { tablesOf } from './tables.ts';

export interface Working {
  readonly at: DatabaseAt<'mysql'>;
  readonly reaching: Reaching;
  readonly lockMs: number;
  readonly bounds?: Bounds | undefined;
}

const ENDS_WITHIN_MS = 15_000;
const RESTS_MS = 500;
/** One that failed within it has only waited. */
const ONLY_WAITED_MS = 3_000;

export async function performOn(
  { at, reaching, lockMs, bounds }: Working,
  task: FitnessTask,
  doing: Doing,
): Promise<TaskDone> {
  if (task.kind !== 'analyze' && task.kind !== 'rebuild')
    throw new StewardError('INPUT_INVALID', `MariaDB and MySQL know no ${task.kind}.`, {
      hint: 'They know analyze and rebuild.',
    });
  const access = await accessTo(at.source, reaching);
  return await endedWithUs(access, doing, async (session) => {
    // Whoever comes behind one that waits for the lock of a table waits too: so it waits for as short as can be said, and again.
    await session.rows('set session lock_wait_timeout = 1');
    const there = { session, access, sandbox: at.sandbox ?? false, lockMs, bounds };
    try {
      return await (task.kind === 'analyze' ? analyze : rebuild)(there, task, doing);
    } catch (thrown) {
      const error = StewardError.from(thrown);
      if (error.code !== 'FORBIDDEN') throw thrown;
      const { grantee } = await serverOf(session, access);
      throw new StewardError('FORBIDDEN', error.message, {
        hint: `GRANT SELECT, INSERT, ALTER, CREATE ON ${identifier(task.database)}.* TO ${grantee}`,
        cause: thrown,
      });
    }
  });
}

/**
 * A statement goes on in the server when whoever asked for it is gone. So where this is canceled its session is ended there.
 * After kill -9 of Steward it goes on to its end, which is harmless; another try then finds the table locked, or nothing to do.
 */
async function endedWithUs<T>(access: MyAccess, doing: Doing, work: (session: MySession) => Promise<T>): Promise<T> {
  await using session = await openSession(access, undefined, doing);
  const [row] = await session.rows('select connection_id() as id');
  try {
    return await work(session);
  } catch (thrown) {
    if (doing.signal.aborted) {
      await using other = await openSession(access, undefined, { signal: AbortSignal.timeout(ENDS_WITHIN_MS) });
      // It may have ended meanwhile.
      await other.rows(`kill connection ${Number(row?.['id'])}`).catch(() => undefined);
    }
    throw thrown;
  }
}

/** Tries again for as long as a lock is waited for; not where it was lost after work was done, for that would be done again. */
async function patiently<T>({ lockMs }: There, { signal }: Doing, attempt: () => Promise<T>): Promise<T> {
  for (const began = performance.now(); ;) {
    const started = performance.now();
    try {
      return await attempt();
    } catch (thrown) {
      const now = performance.now();
      const isLocked = StewardError.from(thrown).code === 'LOCKED';
      if (!isLocked || now - started > ONLY_WAITED_MS || now - began + RESTS_MS > lockMs) throw thrown;
      await sleep(RESTS_MS);
      if (signal.aborted) throw new StewardError('CANCELED', 'It was canceled.');
    }
  }
}

interface There {
  readonly session: MySession;
  readonly access: MyAccess;
  readonly sandbox: boolean;
  readonly lockMs: number;
  readonly bounds: Bounds | undefined;
}

/** Statistics that outlive a restart, from a few pages of each index. Replicas take their own. */
async function analyze(there: There, { database, object }: FitnessTask, doing: Doing): Promise<TaskDone> {
  const { session } = there;
  const [about] = await session.rows('select version() as version');
  const flushes = flushesTables(String(about?.['version']));
  const started = performance.now();
  const names = object === undefined ? await baseTables(session, database) : [object];
  for (const name of names)
    await patiently(there, doing, async () => {
      if (flushes) await assertNoLongQuery(session);
      told(await session.rows(`analyze no_write_to_binlog table ${qualified(database, name)}`));
    });
  return { durationMs: performance.now() - started, how: `ANALYZE TABLE (${names.length})`, locks: [] };
}

async function baseTables(session: MySession, database: string): Promise<string[]> {
  const rows = await session.rows(
    "select TABLE_NAME as name from information_schema.TABLES where TABLE_SCHEMA = ? and TABLE_TYPE in ('BASE TABLE', 'SYSTEM VERSIONED')",
    [database],
  );
  return rows.map(({ name }) => String(name));
}

async function rebuild(there: There, task: FitnessTask, doing: Doing): Promise<TaskDone> {
  const { session, access, sandbox } = there;
  const { database, object } = task;
  if (object === undefined)
    throw new StewardError('INPUT_INVALID', 'A rebuild is of one table, and the task names none.');
  const server = await serverOf(session, access);
  const look = async () => {
    const table = (await tablesOf(server, [database])).tables.find(({ name }) => name === object);
    if (table) return table;
    throw new StewardError('NOT_FOUND', `${database} has no table ${object}.`, {
      hint: 'It was removed or renamed meanwhile.',
    });
  };
  const before = await look();
  const started = performance.now();
  const done = (how: string, afterBytes: number, locks: TaskDone['locks']): TaskDone => ({
    durationMs: performance.now() - started,
    beforeBytes: before.bytes,
    afterBytes,
    how,
    locks,
  });
  const { reclaimableBytes: back = 0 } = before;
  if (!sandbox && back * 2 < (task.expectedBytes ?? 1))
    return done(`only ${back} bytes would come back, so nothing was done`, before.bytes, []);
  if (!sandbox) await assertRoom(server, before.bytes);
  const { how, lock } = await patiently(there, doing, () => anew(there, task, doing));
  const heldMs = performance.now() - started;
  const { bytes } = await look();
  return done(how, bytes, lock === undefined ? [] : [{ table: object, mode: lock, heldMs }]);
}

/** What an engine says where it cannot do it that way. */
const NOT_SO = new Set([1221, 1235, 1845, 1846, 4169]);
/** Each holds up more than the one before. The first needs its lock only for an instant at its beginning and at its end. */
const WAYS: readonly Way[] = [
  { how: 'FORCE, ALGORITHM=INPLACE, LOCK=NONE', lock: undefined },
  { how: 'FORCE, ALGORITHM=INPLACE, LOCK=SHARED', lock: 'writes wait' },
  { how: 'FORCE, ALGORITHM=COPY, LOCK=SHARED', lock: 'writes wait' },
];
interface Way {
  readonly how: string;
  readonly lock: string | undefined;
}

async function anew({ session, bounds }: There, task: FitnessTask, { signal }: Doing): Promise<Way> {
  const { database, object = '' } = task;
  const table = qualified(database, object);
  let refused: unknown;
  for (const way of WAYS) {
    signal.throwIfAborted();
    // Where nobody waited on the copy, nobody is made to wait here.
    if (bounds && way.lock !== undefined && bounds.locks.length === 0)
      throw diverged(nameOf(task), `only ${way.how} does it, in which ${way.lock}, and on its copy they did not`, {
        cause: refused,
      });
    const began = performance.now();
    try {
      await session.rows(`alter table ${table} ${way.how}`);
      return { ...way, how: `ALTER TABLE … ${way.how}` };
    } catch (thrown) {
      const { errno = 0 } = (StewardError.from(thrown).cause ?? {}) as { errno?: number };
      if (bounds && StewardError.from(thrown).code === 'LOCKED' && performance.now() - began > ONLY_WAITED_MS)
        throw diverged(nameOf(task), 'somebody held the table when it was to be put in its place', { cause: thrown });
      if (!NOT_SO.has(errno)) throw thrown;
      refused = thrown;
    }
  }
  throw refused;
}

/** A statement about a table says in its rows how it went. */
function told(rows: readonly Row[]): void {
  const bad = rows.find((row) => /error/i.test(String(row['Msg_type'])));
  if (!bad) return;
  const text = String(bad['Msg_text']);
  const locked = /lock wait timeout/i.test(text);
  throw new StewardError(locked ? 'LOCKED' : 'PROGRAM_FAILED', `${String(bad['Table'])}: ${text}`, {
    hint: locked ? 'A session holds the table; it is tried again.' : 'Its own words say why.',
  });
}
