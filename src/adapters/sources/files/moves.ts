import type { Stats } from 'node:fs';
import { chmod, chown, link, lstat, mkdir, rename, rm, rmdir, utimes } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { copyAcross } from '../../files/copy.ts';
import { errnoOf } from '../../files/file-errors.ts';

export type Moves = ReturnType<typeof createMoves>;

/** Each step with its opposite, so that all can be taken back, the last first. */
export function createMoves() {
  const back: (() => Promise<unknown>)[] = [];
  const made = new Set<string>();
  const moves = {
    async makeFolder(path: string, mode = 0o755): Promise<void> {
      if (made.has(path) || (await lstat(path).catch(() => undefined))) return;
      await moves.makeFolder(dirname(path), mode);
      await mkdir(path, { mode });
      made.add(path);
      back.push(() => rmdir(path));
    },
    async move(from: string, to: string): Promise<void> {
      await rename(from, to);
      back.push(() => rename(to, from));
    },
    /** The file has two names then; taking back gives it to the path again. */
    async keepFile(path: string, to: string): Promise<void> {
      await link(path, to).catch(async (thrown: unknown) => {
        // Some file systems know no second names.
        if (!['EPERM', 'EXDEV', 'EMLINK', 'ENOTSUP'].includes(errnoOf(thrown) ?? '')) throw thrown;
        await rename(path, to);
      });
      moves.owes(to, path);
    },
    /** What is kept there belongs to the path. */
    owes(to: string, path: string): void {
      // Where both are still one file, renaming does nothing, and the second name goes.
      back.push(() => rename(to, path).then(() => rm(to, { force: true })));
    },
    /** Something else that was done, with its opposite. */
    did(opposite: () => Promise<unknown>): void {
      back.push(opposite);
    },
    /** A file or a whole folder, with all that is in it. */
    async take(from: string, to: string): Promise<void> {
      const there = await lstat(to).catch(() => undefined);
      await rename(from, to).catch(async (thrown: unknown) => {
        if (errnoOf(thrown) !== 'EXDEV') throw thrown;
        // Another disk is mounted below: beside first, there too.
        const beside = join(dirname(to), `.steward-${basename(to)}`);
        await copyAcross(
          { folder: dirname(from), name: basename(from) },
          { folder: dirname(to), name: basename(beside) },
        );
        await rename(beside, to);
      });
      if (!there) back.push(() => rm(to, { recursive: true, force: true }));
    },
    async attributes(path: string, to: Stats, were: Stats): Promise<void> {
      const give = async ({ uid, gid, mode, atime, mtime }: Stats): Promise<void> => {
        if (process.getuid?.() === 0) await chown(path, uid, gid);
        await chmod(path, mode & 0o7777);
        await utimes(path, atime, mtime);
      };
      back.push(() => give(were));
      await give(to);
    },
    async takeBack(): Promise<void> {
      for (const step of back.toReversed()) await step().catch(() => undefined);
    },
  };
  return moves;
}
