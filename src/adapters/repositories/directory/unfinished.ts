import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { z } from 'zod';
import type { CopyName, RepositoryLock } from '../../../core/backup/store.ts';
import { makeFolder, syncFolder, writeDurably } from '../durable.ts';
import { describeHolder, Holder, isSameProcess, lifeOf, type Self } from '../holder.ts';
import { safeName } from '../../../core/backup/names.ts';
import { createSightings, type Sightings, UNCHANGED_MS } from '../sightings.ts';
import { LEASE, UNFINISHED } from './layout.ts';

const Lease = z.object({ copy: z.string(), since: z.string(), holder: Holder });

/** An attempt whose maker cannot be judged is left alone this long after something was last written there. */
const UNKNOWN_MS = 24 * 3_600_000;
/** A lease follows its folder at once; one without was cut short in between. */
const NO_LEASE_MS = 600_000;

/** By their names: what somebody in this process makes. One of this process that is not among them has nobody any more. */
const making = new Set<string>();

export interface Attempt {
  readonly folder: string;
  readonly copy: string | undefined;
  readonly lock: RepositoryLock;
}

/** A folder for an attempt at a copy, which says who makes it. */
export async function openAttempt(root: string, copy: CopyName, holder: Holder, now: Date): Promise<string> {
  await makeFolder(join(root, UNFINISHED));
  const folder = join(root, UNFINISHED, `${safeName(copy.id)}.${randomBytes(4).toString('hex')}`);
  making.add(basename(folder));
  try {
    await mkdir(folder, { mode: 0o700 });
    await writeDurably(join(folder, LEASE), `${JSON.stringify({ copy: copy.id, since: now.toISOString(), holder })}\n`);
  } catch (thrown) {
    // On a full disk: one that says nothing of its maker would lie there for a while.
    endAttempt(folder);
    await rm(folder, { recursive: true, force: true });
    throw thrown;
  }
  return folder;
}

/** Nobody makes it any more: what is still there of it is in nobody's way. */
export function endAttempt(folder: string): void {
  making.delete(basename(folder));
}

const sightingsHere = createSightings();

export async function attemptsIn(
  root: string,
  self: Self,
  now: Date,
  sightings: Sightings = sightingsHere,
): Promise<Attempt[]> {
  const names = await readdir(join(root, UNFINISHED)).catch(() => []);
  const touched = new Map<string, Date>();
  for (const name of names) {
    const at = await lastTouched(join(root, UNFINISHED, name));
    if (at) touched.set(name, at);
  }
  const seenMs = sightings.look(root, new Map([...touched].map(([name, at]) => [name, at.toISOString()])));
  return await Promise.all(
    [...touched].map(([name, at]) =>
      attemptAt(join(root, UNFINISHED, name), { name, self, now, touched: at, seenMs: seenMs(name) }),
    ),
  );
}

/** Moves a copy out of sight first: one that is removed halfway is never listed. */
export async function discard(root: string, folder: string): Promise<void> {
  await makeFolder(join(root, UNFINISHED));
  const away = join(root, UNFINISHED, `removed.${randomBytes(8).toString('hex')}`);
  await rename(folder, away);
  await syncFolder(join(folder, '..'));
  await rm(away, { recursive: true, force: true });
}

async function attemptAt(
  folder: string,
  {
    name,
    self,
    now,
    touched,
    seenMs,
  }: {
    readonly name: string;
    readonly self: Self;
    readonly now: Date;
    readonly touched: Date;
    /** For how long this process has seen it untouched. */
    readonly seenMs: number;
  },
): Promise<Attempt> {
  const lease = await readLease(folder);
  const idleMs = now.getTime() - touched.getTime();
  const ended = lease !== undefined && isSameProcess(lease.holder, self.holder) && !making.has(name);
  const life = ended ? 'no' : lease ? lifeOf(lease.holder, self) : 'unknown';
  // Idle by the clock of this machine alone is whatever others write here as soon as that clock jumps.
  const idle = idleMs > (lease ? UNKNOWN_MS : NO_LEASE_MS) && seenMs > UNCHANGED_MS;
  const tooLong = idle || name.startsWith('removed.');
  return {
    folder,
    copy: lease?.copy,
    lock: {
      id: name,
      holder: lease ? describeHolder(lease.holder) : 'somebody who left no word',
      since: lease ? new Date(lease.since) : touched,
      alive: life === 'unknown' && tooLong ? 'no' : life,
    },
  };
}

async function readLease(folder: string): Promise<z.output<typeof Lease> | undefined> {
  try {
    return Lease.parse(JSON.parse(await readFile(join(folder, LEASE), 'utf8')));
  } catch {
    return undefined;
  }
}

/** Undefined where it is gone. */
async function lastTouched(folder: string): Promise<Date | undefined> {
  try {
    const paths = [folder, ...(await readdir(folder)).map((name) => join(folder, name))];
    const times = await Promise.all(paths.map(async (path) => (await stat(path)).mtimeMs));
    return new Date(Math.max(...times));
  } catch {
    return undefined;
  }
}
