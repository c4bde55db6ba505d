import { open, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import { fileError } from '../files/file-errors.ts';

const MARK = '.steward-restoring';

export const markOf = (folder: string): string => `${folder.replace(/(?<=.)\/+$/, '')}${MARK}`;
export const isMark = (path: string): boolean => path.endsWith(MARK);

/**
 * Restores into a folder that a mark beside it says is not whole. The mark stays until it is removed as something that the restore
 * kept: whoever is killed before that has the folder emptied and restored anew, and never finds half of it as if it were all.
 */
export async function intoMarked<T>(folder: string, copy: string, work: () => Promise<T>): Promise<T> {
  const mark = markOf(folder);
  const known = await readFile(mark, 'utf8').catch(() => undefined);
  if (known === copy) await empty(folder);
  else {
    if (known !== undefined)
      throw new StewardError('CONFLICT', `Another copy is being restored into ${folder}, or was when it broke off.`, {
        hint: `Wait until that run ends. Where none is under way, remove ${mark} and the folder.`,
      });
    if ((await readdir(folder).catch(() => [])).length > 0)
      throw new StewardError('CONFLICT', `${folder} is not empty.`, {
        hint: 'Nothing was replaced. Choose an empty folder.',
      });
    await write(mark, copy);
  }
  try {
    return await work();
  } catch (thrown) {
    await empty(folder);
    await rm(mark, { force: true });
    throw thrown;
  }
}

async function empty(folder: string): Promise<void> {
  for (const name of await readdir(folder).catch(() => []))
    await rm(join(folder, name), { recursive: true, force: true });
}

async function write(path: string, text: string): Promise<void> {
  try {
    await using file = await open(path, 'wx', 0o600);
    await file.writeFile(text);
    await file.sync();
  } catch (thrown) {
    throw fileError(`${path} cannot be written`, thrown);
  }
}
