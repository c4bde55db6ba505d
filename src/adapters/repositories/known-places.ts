import { mkdir, readFile, rename } from 'node:fs/promises';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import type { BackupRepository } from '../../core/backup/repository.ts';
import { StewardError } from '../../core/errors.ts';
import { syncFolder, writeDurably } from './durable.ts';

const FOLDER = 'backup-places';

/**
 * Refuses to make a repository anew where Steward knows one: a disk that is not mounted looks like an empty folder, and
 * copies would quietly go to the wrong disk.
 */
export async function refuseToReplace(home: string, { name }: BackupRepository, where: string): Promise<void> {
  const path = join(home, FOLDER, name);
  const known = await readFile(path, 'utf8').catch(() => undefined);
  if (known?.trim() !== where) return;
  throw new StewardError('UNAVAILABLE', `The repository ${name} was at ${where} and is not there now.`, {
    hint: `Mount it, or bring it back. To begin an empty one in its place, remove ${path} first.`,
  });
}

/** Harmless again and again: what is known already is not written anew. */
export async function rememberPlace(home: string, { name }: BackupRepository, where: string): Promise<void> {
  const folder = join(home, FOLDER);
  const known = await readFile(join(folder, name), 'utf8').catch(() => undefined);
  if (known?.trim() === where) return;
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const partial = join(folder, `.${randomUUID()}`);
  await writeDurably(partial, `${where}\n`);
  await rename(partial, join(folder, name));
  await syncFolder(folder);
}
