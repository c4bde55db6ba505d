import { chmod, chown, link, lstat, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Part } from '../../../core/backup/copy.ts';
import type { Bytes } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import { holdersOf } from './holders.ts';

/** What SQLite keeps beside a database; with another one it would be taken for its own. */
export const BESIDE = ['-wal', '-shm', '-journal'];

/**
 * Writes the content beside the database, then takes its place at once. What was there is kept as `…before-<stamp>`, with what
 * lay beside it, so that it can still be opened. Refuses while a process has the database open: it would go on with the old one.
 */
export async function putBack(
  path: string,
  content: Bytes,
  file: Part['file'],
  {
    stamp,
    staged,
    settle,
    lease,
  }: {
    readonly stamp: string;
    readonly staged: (path: string) => Promise<void>;
    /** Brings what lies beside the database into it. */
    readonly settle: () => Promise<void>;
    readonly lease: (() => Promise<unknown>) | undefined;
  },
): Promise<{ readonly kept: readonly string[] }> {
  await assertFree(path);
  const beside = join(dirname(path), `.${basename(path)}.restoring-${stamp}`);
  await staged(beside);
  const before = `${path}.before-${stamp}`;
  const moved: (readonly [from: string, to: string])[] = [];
  try {
    await using handle = await open(beside, 'wx', 0o600);
    for await (const chunk of content) await handle.writeFile(chunk);
    await handle.sync();
    const there = await lstat(path).catch(() => undefined);
    const as = there ?? file;
    if (as && (as.uid !== process.getuid?.() || as.gid !== process.getgid?.())) await chown(beside, as.uid, as.gid);
    await chmod(beside, (as?.mode ?? 0o600) & 0o7777);
    await assertFree(path);
    await lease?.();
    // Without its log a database is not what it was: where all is in the one file, it is replaced at one instant.
    if (there && (await isBeside(path))) await settle().catch(() => undefined);
    const kept: string[] = [];
    for (const end of BESIDE) {
      if (!(await lstat(path + end).catch(() => undefined))) continue;
      await rename(path + end, before + end);
      moved.push([path + end, before + end]);
    }
    if (there) {
      await link(path, before);
      kept.push(before, ...moved.map(([, to]) => to));
    }
    await rename(beside, path);
    await syncFolder(dirname(path));
    return { kept };
  } catch (thrown) {
    await rm(beside, { force: true });
    for (const [from, to] of moved) await rename(to, from);
    // Before the rename the original is still in its place, and this is only its second name.
    await rm(before, { force: true });
    throw thrown instanceof StewardError
      ? thrown
      : fileError(`${path} could not be replaced, and is as it was`, thrown);
  }
}

async function isBeside(path: string): Promise<boolean> {
  const found = await Promise.all(BESIDE.map((end) => lstat(path + end).catch(() => undefined)));
  return found.some((each) => each !== undefined);
}

async function assertFree(path: string): Promise<void> {
  const holders = await holdersOf([path, ...BESIDE.map((end) => path + end)]);
  if (holders.length === 0) return;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `${path} is open in ${holders.slice(0, 5).join(', ')}: it would go on with the old file.`,
    {
      hint: 'Stop it, restore, and start it again. Nothing was changed.',
    },
  );
}

async function syncFolder(folder: string): Promise<void> {
  try {
    await using handle = await open(folder);
    await handle.sync();
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EINVAL') throw thrown;
  }
}
