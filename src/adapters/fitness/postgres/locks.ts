import { setTimeout as wait } from 'node:timers/promises';
import { type Bounds, diverged } from '../../../core/database/divergence.ts';
import type { TaskDone } from '../../../core/database/task.ts';
import { StewardError } from '../../../core/errors.ts';
import { openSession, type PgAccess } from '../../sources/postgres/access.ts';
import { isStronger, STOPS_NOBODY } from '../../sources/postgres/lock-modes.ts';

/** What is soon over is looked at closely; who looks at the locks of a server holds up whoever takes one. */
const LOOKS_EARLY_MS = 50;
const LOOKS_LATE_MS = 1_000;
/** Of the time that it takes already. */
const SHARE = 0.1;

interface Watched {
  readonly database: string;
  readonly pid: number;
  readonly signal: AbortSignal;
  /** What it is called, and what its rehearsal showed: where it goes beyond that it is ended. */
  readonly within?: { readonly what: string; readonly bounds: Bounds | undefined } | undefined;
}

interface Seen extends Record<string, unknown> {
  /** Null where it waits for something else: the end of a transaction. */
  readonly table: string | null;
  readonly mode: string;
  readonly granted: boolean;
  /** Sessions that it waits for. */
  readonly behind: string | null;
}

const LOCKS = `select n.nspname || '.' || c.relname as "table", l.mode, l.granted, null as behind from pg_catalog.pg_locks l
    join pg_catalog.pg_class c on c.oid = l.relation join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where l.pid = $1 and l.granted and c.relkind in ('r', 'm', 'p') and n.nspname <> 'pg_catalog'
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
  union all select n.nspname || '.' || c.relname, l.mode, false, pg_catalog.array_to_string(pg_catalog.pg_blocking_pids(l.pid), ', ')
    from pg_catalog.pg_locks l left join pg_catalog.pg_class c on c.oid = l.relation and c.relkind in ('r', 'm', 'p')
      and l.database = (select oid from pg_catalog.pg_database where datname = current_database())
    left join pg_catalog.pg_namespace n on n.oid = c.relnamespace where l.pid = $1 and not l.granted`;

/**
 * Which locks another session holds on tables while something is done, seen from outside; for how long to within a look. One that is
 * stronger than in the rehearsal, and stops somebody, ends what that session does; so does a lock that does not come once it has begun.
 */
export async function lockedDuring<T>(
  access: PgAccess,
  { database, pid, signal, within }: Watched,
  work: () => Promise<T>,
): Promise<{ readonly result: T; readonly locks: TaskDone['locks'] }> {
  const ended = new AbortController();
  const held = new Map<string, { mode: string; heldMs: number }>();
  const bounds = within?.bounds;
  let beyond: string | undefined;
  let behind: string | undefined;
  // It is there before anything begins, or what is soon over would not be seen. Not to see is no reason not to do it.
  await using session = await openSession(access, database, { signal }).catch(() => undefined);
  const look = async (): Promise<void> => {
    if (!session) return;
    const began = performance.now();
    for (let last = began; !ended.signal.aborted;) {
      const rows = await session.rows<Seen>(LOCKS, [pid]);
      const now = performance.now();
      for (const { table, mode, granted, behind: others } of rows) {
        if (!granted) behind = `${table ?? 'the end of a transaction'}, behind session ${others || 'of somebody'}`;
        if (table === null) continue;
        beyond ??= bounds && beyondIn(bounds, { table, mode, granted });
        if (!granted) continue;
        const before = held.get(table);
        // How long is said of the strongest alone.
        if (!before || isStronger(mode, before.mode)) held.set(table, { mode, heldMs: now - last });
        else if (before.mode === mode) before.heldMs += now - last;
      }
      last = now;
      // Said until it has ended: what is about to begin its next step may not hear the first.
      if (beyond !== undefined) await session.rows('select pg_catalog.pg_cancel_backend($1)', [pid]);
      const pause = Math.min(LOOKS_LATE_MS, Math.max(LOOKS_EARLY_MS, (now - began) * SHARE));
      await wait(pause, undefined, { signal: ended.signal }).catch(() => undefined);
    }
  };
  const looking = look().catch(() => undefined);
  try {
    const result = await work();
    ended.abort();
    await looking;
    return { result, locks: [...held].map(([table, one]) => ({ table, ...one })) };
  } catch (thrown) {
    ended.abort();
    await looking;
    if (!within || !bounds || signal.aborted) throw thrown;
    if (beyond !== undefined) throw diverged(within.what, beyond, { cause: thrown });
    // What never had the table only waited its turn: it has begun nothing that could have gone on otherwise.
    if (held.size === 0 || StewardError.from(thrown).code !== 'LOCKED') throw thrown;
    throw diverged(within.what, `it waited for ${behind ?? 'a lock'}, as it did not on its copy`, { cause: thrown });
  }
}

function beyondIn(
  { locks }: Bounds,
  { table, mode, granted }: { readonly table: string; readonly mode: string; readonly granted: boolean },
): string | undefined {
  const seen = locks.find((one) => one.table === table)?.mode;
  if (!isStronger(mode, STOPS_NOBODY) || (seen !== undefined && !isStronger(mode, seen))) return undefined;
  return `it ${granted ? 'holds' : 'waits for'} ${mode} on ${table}, and on its copy ${seen ?? 'no lock that stops anybody'}`;
}
