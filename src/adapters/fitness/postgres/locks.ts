import { setTimeout as wait } from 'node:timers/promises';
import type { TaskDone } from '../../../core/database/task.ts';
import { openSession, type PgAccess } from '../../sources/postgres/access.ts';

/** What is soon over is looked at closely; who looks at the locks of a server holds up whoever takes one. */
const LOOKS_EARLY_MS = 50;
const LOOKS_LATE_MS = 1_000;
/** Of the time that it takes already. */
const SHARE = 0.1;

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
  // It is there before anything begins, or what is soon over would not be seen. Not to see is no reason not to do it.
  await using session = await openSession(access, database, { signal }).catch(() => undefined);
  const look = async (): Promise<void> => {
    if (!session) return;
    const began = performance.now();
    for (let last = began; !ended.signal.aborted;) {
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
      const pause = Math.min(LOOKS_LATE_MS, Math.max(LOOKS_EARLY_MS, (now - began) * SHARE));
      await wait(pause, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  };
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
