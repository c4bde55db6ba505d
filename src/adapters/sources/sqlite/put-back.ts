import { chmod, chown, link, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Part } from '../../../core/backup/copy.ts';
import type { Bytes } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import { BESIDE } from '../files/sqlite-file.ts';
import { assertFree } from './holders.ts';

/**
 * Writes the content beside the database, then takes its place at once. What was there is kept as `…before-<run>`, with what
 * lay beside it, so that it can still be opened; what an attempt before this one has kept is the original, and stays it. Refuses
 * while a process has the database open: it would go on with the old one.
 */
export async function putBack(
  path: string,
  content: Bytes,
  file: Part['file'],
  {
    stamp,
    keptAs,
    staged,
    settle,
    lease,
  }: {
    /** Of this attempt. */
    readonly stamp: string;
    /** The same for every attempt of a run. */
    readonly keptAs: string;
    readonly staged: (path: string) => Promise<void>;
    /** Brings what lies beside the database into it. */
    readonly settle: () => Promise<void>;
    readonly lease: (() => Promise<unknown>) | undefined;
  },
): Promise<{ readonly kept: readonly string[] }> {
  await assertFree([path]);
  const beside = join(dirname(path), `.${basename(path)}.restoring-${stamp}`);
  await staged(beside);
  const before = `${path}.before-${keptAs}`;
  let linked = false;
  let placed = false;
  const moved: (readonly [from: string, to: string])[] = [];
  try {
    await using handle = await open(beside, 'wx', 0o600);
    for await (const chunk of content) await handle.writeFile(chunk);
    await handle.sync();
    const there = await lstat(path).catch(() => undefined);
    const as = there ?? file;
    if (as && (as.uid !== process.getuid?.() || as.gid !== process.getgid?.())) await chown(beside, as.uid, as.gid);
    await chmod(beside, (as?.mode ?? 0o600) & 0o7777);
    await assertFree([path]);
    await lease?.();
    // Without its log a database is not what it was: where all is in the one file, it is replaced at one instant.
    if (there && (await isBeside(path))) await settle().catch(() => undefined);
    for (const end of BESIDE) {
      if (!(await isThere(path + end))) continue;
      const to = (await isThere(before + end)) ? `${before}${end}.${stamp}` : before + end;
      await rename(path + end, to);
      moved.push([path + end, to]);
    }
    if (there && !(await isThere(before))) {
      await link(path, before);
      linked = true;
    }
    await rename(beside, path);
    placed = true;
    await syncFolder(dirname(path));
    return { kept: await keptBy(before) };
  } catch (thrown) {
    if (placed) throw await inDoubt(path, before, thrown);
    await rm(beside, { force: true });
    for (const [from, to] of moved) await rename(to, from);
    // Before the rename the original is still in its place, and this is only its second name.
    if (linked) await rm(before, { force: true });
    const error =
      thrown instanceof StewardError ? thrown : fileError(`${path} could not be replaced, and is as it was`, thrown);
    const [left] = await keptBy(before);
    if (left === undefined) throw error;
    throw new StewardError(error.code, `${error.message} What an attempt before it replaced is ${left}.`, {
      hint: error.hint,
      cause: error,
    });
  }
}

/** The restored one is in its place. The log of the old one never goes beside it, and what was there stays where it was kept. */
async function inDoubt(path: string, before: string, cause: unknown): Promise<StewardError> {
  const { code, message } = fileError(
    `${path} is the restored one, and a loss of power may still take that back`,
    cause,
  );
  const kept = (await isThere(before)) ? `What was there before is ${before}. ` : '';
  return new StewardError(code, message, { hint: `${kept}Restore it again when its disk is well.`, cause });
}

async function keptBy(before: string): Promise<string[]> {
  const names = (await readdir(dirname(before)).catch(() => [])).filter((name) => {
    const [end] = name.startsWith(basename(before)) ? [name.slice(basename(before).length)] : [];
    return end === '' || BESIDE.some((each) => end === each || end?.startsWith(`${each}.`));
  });
  return names.toSorted().map((name) => join(dirname(before), name));
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

async function isBeside(path: string): Promise<boolean> {
  const found = await Promise.all(BESIDE.map((end) => isThere(path + end)));
  return found.includes(true);
}

async function syncFolder(folder: string): Promise<void> {
  try {
    await using handle = await open(folder);
    await handle.sync();
  } catch (thrown) {
    if (errnoOf(thrown) !== 'EINVAL') throw thrown;
  }
}
