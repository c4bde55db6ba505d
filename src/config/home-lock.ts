import { randomUUID } from 'node:crypto';
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { identityOf, isAlive } from './process-identity.ts';
import { writeAtomically } from './write-atomically.ts';

const Holder = z.object({
  pid: z.number().int(),
  startTicks: z.number().optional(),
  bootId: z.string().optional(),
  since: z.coerce.date(),
});
export type Holder = z.output<typeof Holder>;

export type Lock = { readonly heldBy: Holder } | { release(): Promise<void> };

const NAME = /^lock\.(\d+)$/;

/**
 * Makes this process the holder of the folder, or returns the living one. The lock is the highest numbered file;
 * one whose process has ended is succeeded by the next number, never replaced. Creating a number succeeds once,
 * and the highest is never removed, so of any number of processes that start together exactly one wins.
 */
export async function takeLock(folder: string, now: Date): Promise<Lock> {
  const mine: Holder = { ...identityOf(process.pid), since: now };
  const draft = join(folder, `lock.draft-${randomUUID()}`);
  await writeFile(draft, `${JSON.stringify(mine)}\n`, { mode: 0o600 });
  try {
    for (;;) {
      const highest = await highestNumber(folder);
      const holder = highest === 0 ? undefined : await readHolder(folder, highest);
      if (holder && isAlive(holder)) return isMine(holder, mine) ? lockOf(folder, highest) : { heldBy: holder };
      const number = highest + 1;
      if (!(await created(draft, join(folder, `lock.${number}`)))) continue;
      // One that was slow may have created a number below the highest: it steps back.
      if ((await highestNumber(folder)) === number) {
        await removeBelow(folder, number);
        return lockOf(folder, number);
      }
      await rm(join(folder, `lock.${number}`), { force: true });
    }
  } finally {
    await rm(draft, { force: true });
  }
}

/** The file stays, since the highest must never be removed, but it no longer names anyone. */
function lockOf(folder: string, number: number): Lock {
  return { release: () => writeAtomically(join(folder, `lock.${number}`), '{"released":true}\n') };
}

/** Who holds the folder, if that process still lives. */
export async function lockHolder(folder: string): Promise<Holder | undefined> {
  const highest = await highestNumber(folder);
  const holder = highest === 0 ? undefined : await readHolder(folder, highest);
  return holder && isAlive(holder) ? holder : undefined;
}

async function highestNumber(folder: string): Promise<number> {
  return Math.max(0, ...(await numbers(folder)));
}

async function numbers(folder: string): Promise<number[]> {
  return (await readdir(folder)).flatMap((name) => NAME.exec(name)?.[1] ?? []).map(Number);
}

/** `undefined` where the file names nobody: released, or empty after a power cut. */
async function readHolder(folder: string, number: number): Promise<Holder | undefined> {
  try {
    return Holder.parse(JSON.parse(await readFile(join(folder, `lock.${number}`), 'utf8')));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EACCES') throw thrown;
    return undefined;
  }
}

/** A link appears with its content, so nobody ever reads half a lock. */
async function created(draft: string, file: string): Promise<boolean> {
  try {
    await link(draft, file);
    return true;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw thrown;
  }
}

async function removeBelow(folder: string, number: number): Promise<void> {
  for (const lower of (await numbers(folder)).filter((candidate) => candidate < number))
    await rm(join(folder, `lock.${lower}`), { force: true });
}

function isMine(holder: Holder, mine: Holder): boolean {
  return holder.pid === mine.pid && holder.startTicks === mine.startTicks && holder.bootId === mine.bootId;
}
