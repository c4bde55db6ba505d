import { setTimeout as wait } from 'node:timers/promises';
import type { TaskDone } from '../../../core/database/task.ts';
import { openSession, type PgAccess } from '../../sources/postgres/access.ts';

const LOOK_EVERY_MS = 50;

/** From the weakest to the strongest, as PostgreSQL orders them. */
const MODES = [
  'AccessShareLock',
  'RowShareLock',
  'RowExclusiveLock',
  'ShareUpdateExclusiveLock',
  'ShareLock',
  'ShareRowExclusiveLock',
  'ExclusiveLock',
  'AccessExclusiveLock',
];

/** Which locks another session holds on tables while something is done, seen from outside; for how long to within a look. */
export async function lockedDuring<T>(
  access: PgAccess,
  { database, pid, signal }: { readonly database: string; readonly pid: number; readonly signal: AbortSignal },
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly locks: TaskDone['locks'] }> {
  const ended = new AbortController();
  const held = new Map<string, { mode: string; heldMs: number }>();
  const look = async (): Promise<void> => {
    await using session = await openSession(access, database, { signal });
    for (let last = performance.now(); !ended.signal.aborted;) {
      const rows = await session.rows<{ table: string; mode: string }>(
        `select n.nspname || '.' || c.relname as "table", l.mode from pg_catalog.pg_locks l
          join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
          where l.pid = $1 and l.granted and c.relkind in ('r', 'm', 'p') and n.nspname <> 'pg_catalog'
            and l.database = (select oid from pg_catalog.pg_database where datname = current_database())`,
        [pid],
      );
      const now = performance.now();
      for (const { table, mode } of rows) {
        const before = held.get(table);
        // How long is said of the strongest alone.
        if (!before || MODES.indexOf(mode) > MODES.indexOf(before.mode)) held.set(table, { mode, heldMs: now - last });
        else if (before.mode === mode) before.heldMs += now - last;
      }
      last = now;
      await wait(LOOK_EVERY_MS, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  };
  // Not to see them is no reason not to do it.
  const looking = look().catch(() => undefined);
  let result: T;
  try {
    result = await work();
  } finally {
    ended.abort();
    await looking;
  }
  return { result, locks: [...held].map(([table, one]) => ({ table, ...one })) };
}
