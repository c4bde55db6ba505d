import { mkdir, readdir, rename, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { safeName } from '../../../core/backup/names.ts';
import type { Remembered } from './look.ts';

/** Lists of sources that nobody copies any more go. */
const KEPT_MS = 90 * 24 * 3_600_000;

const folderIn = (cache: string): string => join(cache, 'files');

/** What the last copy of a source described; undefined where there is none, and then everything is read. */
export async function rememberedOf(cache: string | undefined, name: string): Promise<Remembered | undefined> {
  if (cache === undefined) return undefined;
  const file = join(folderIn(cache), safeName(name));
  const found = await stat(file).catch(() => undefined);
  return found && { file, since: found.mtimeMs };
}

/** Takes a list over for the next copy. Where that cannot be done the next one reads more, and nothing else is lost. */
export async function remember(cache: string | undefined, name: string, { file, since }: Remembered): Promise<void> {
  if (cache === undefined) return;
  const folder = folderIn(cache);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await utimes(file, since / 1000, since / 1000);
    await rename(file, join(folder, safeName(name)));
    for (const other of await readdir(folder)) {
      const { mtimeMs } = await stat(join(folder, other));
      if (mtimeMs < since - KEPT_MS) await rm(join(folder, other), { force: true });
    }
  } catch {
    // Another disk, a full one: see above.
  }
}
