import { readdir, unlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import type { Doing, RepositoryLock } from '../../../core/backup/store.ts';
import { linkProc, readProc } from '../../procfs/read.ts';
import { readStat, TICKS_PER_SECOND } from '../../procfs/stat.ts';
import { createSightings, type Sightings, UNCHANGED_MS } from '../sightings.ts';
import type { Restic } from './program.ts';

const Lock = z.object({
  time: z.string(),
  exclusive: z.boolean(),
  hostname: z.string(),
  username: z.string().default(''),
  pid: z.number().int(),
});
type Lock = z.output<typeof Lock>;

/** A living restic writes its lock anew every five minutes. */
const REFRESHED_WITHIN_MS = 24 * 3_600_000;
/** What restic itself takes for dead, wherever it is, without asking after its process. */
const RESTIC_STALE_MS = 30 * 60_000;
const CLOCK_SLACK_MS = 300_000;

export interface HeldLock extends RepositoryLock {
  /** Its number belongs to another process now: restic's own `unlock` would signal that one. */
  readonly reused: boolean;
  /** Unrenewed for too long by the clock alone: it stays, and keeps nobody from reading. */
  readonly silent: boolean;
  /** restic's own `unlock` would ask for its process here, and nobody can tell whether it runs here. */
  readonly askedInVain: boolean;
}

/** As the kernel numbers the first space of process numbers, which sees all others. */
const MACHINES_OWN = 'pid:[4026531836]';

/** Whether the numbers of processes are those of the machine, and not of a container on it: others there may have its name. */
const seesMachine = (): boolean => linkProc('/proc/self/ns/pid') === MACHINES_OWN;

interface Look {
  readonly now: Date;
  readonly sees: boolean;
  /** For how long this process has seen it: a living restic puts another in its place. */
  readonly seenMs: number;
}

export function parseLock(id: string, json: string, { now, sees, seenMs }: Look): HeldLock {
  const lock = Lock.parse(JSON.parse(json));
  const since = new Date(lock.time);
  const life = lifeOfLock(lock, { since, now, sees, seenMs });
  const lostIfSeen = life === 'unknown' && lifeOfLock(lock, { since, now, sees, seenMs: Infinity }) === 'no';
  return {
    id,
    holder: `process ${lock.pid} on ${lock.hostname} (${lock.username}${lock.exclusive ? ', alone' : ''})`,
    since,
    alive: life === 'reused' ? 'no' : life,
    reused: life === 'reused',
    silent: lostIfSeen,
    askedInVain: life === 'unknown' && lock.hostname === hostname(),
  };
}

function lifeOfLock(
  { hostname: host, pid }: Lock,
  { since, now, sees, seenMs }: Look & { readonly since: Date },
): RepositoryLock['alive'] | 'reused' {
  // Its age alone would be that of a dead one as soon as the clock here jumps.
  const unrenewedFor = (ms: number): boolean => now.getTime() - since.getTime() > ms && seenMs > UNCHANGED_MS;
  if (host !== hostname()) return unrenewedFor(REFRESHED_WITHIN_MS) ? 'no' : 'unknown';
  const stat = readStat(pid);
  if (!sees && !stat?.command.startsWith('restic')) return unrenewedFor(RESTIC_STALE_MS) ? 'no' : 'unknown';
  if (!stat || stat.state === 'Z' || stat.state === 'X') return 'no';
  // The clock may have been set since then: only a process that is no restic either is another one.
  const startedAt = startOf(stat.startTicks);
  const later = startedAt !== undefined && startedAt > since.getTime() + CLOCK_SLACK_MS;
  return later && !stat.command.startsWith('restic') ? 'reused' : 'yes';
}

function startOf(ticks: number): number | undefined {
  const boot = /^btime (\d+)$/m.exec(readProc('/proc/stat') ?? '')?.[1];
  return boot === undefined ? undefined : Number(boot) * 1000 + (ticks / TICKS_PER_SECOND) * 1000;
}

/** The very files, where the repository is a folder of this machine. */
async function removeLockFiles(root: string, locks: readonly RepositoryLock[]): Promise<void> {
  for (const { id } of locks) {
    await unlink(join(root, 'locks', id)).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
}

const sightingsHere = createSightings();

/** The locks of a repository, and the removal of those whose holder is surely dead. */
export function createLocks(
  restic: Restic,
  key: () => Promise<string>,
  {
    url,
    folder,
    now,
    sees = seesMachine(),
    sightings = sightingsHere,
  }: {
    readonly url: string;
    readonly folder: string | undefined;
    readonly now: () => Date;
    readonly sees?: boolean | undefined;
    readonly sightings?: Sightings | undefined;
  },
): {
  list(doing: Doing): Promise<HeldLock[]>;
  unlock(doing: Doing): Promise<readonly HeldLock[]>;
  /** Whether nobody who is known to live holds one: what is only read may be read without one. */
  mayReadBeside(doing: Doing): Promise<boolean>;
} {
  async function list(doing: Doing): Promise<HeldLock[]> {
    // Without asking restic, which takes half a second to open a repository.
    if (folder !== undefined && (await readdir(join(folder, 'locks')).catch(() => ['?'])).length === 0) return [];
    const { stdout } = await restic.run(['list', 'locks', '--no-lock', '--quiet'], await key(), { doing });
    const held: HeldLock[] = [];
    const ids = stdout.split('\n').filter((line) => /^[0-9a-f]{64}$/.test(line));
    const seenMs = sightings.look(url, new Map(ids.map((id) => [id, ''])));
    for (const id of ids) {
      // It may end meanwhile.
      const said = await restic
        .run(['cat', 'lock', id, '--no-lock', '--quiet'], await key(), { doing })
        .catch(() => undefined);
      if (said) held.push(parseLock(id, said.stdout, { now: now(), sees, seenMs: seenMs(id) }));
    }
    return held;
  }

  return {
    list,
    mayReadBeside: async (doing) => (await list(doing)).every(({ alive, silent }) => alive === 'no' || silent),
    async unlock(doing) {
      const held = await list(doing);
      const dead = held.filter(({ alive }) => alive === 'no');
      if (dead.length === 0) return [];
      if (folder !== undefined) {
        await removeLockFiles(folder, dead);
        return dead;
      }
      const ageOf = ({ since }: HeldLock): number => now().getTime() - since.getTime();
      // Those that are stale in restic's own eyes go. Never all of them: one may be taken between our look and its.
      const hitsOneThatLives = held.some(
        (lock) => lock.askedInVain || (lock.alive !== 'no' && ageOf(lock) > RESTIC_STALE_MS - CLOCK_SLACK_MS),
      );
      const signalsAStranger = dead.some((lock) => lock.reused && ageOf(lock) < RESTIC_STALE_MS + CLOCK_SLACK_MS);
      if (hitsOneThatLives || signalsAStranger) return [];
      await restic.run(['unlock', '--quiet'], await key(), { doing });
      const left = new Set((await list(doing)).map(({ id }) => id));
      return dead.filter(({ id }) => !left.has(id));
    },
  };
}
