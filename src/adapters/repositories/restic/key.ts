import { randomBytes, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { RepositoryOf } from '../../../core/backup/repository.ts';
import { StewardError } from '../../../core/errors.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import type { StoreDeps } from '../deps.ts';
import { syncFolder, writeDurably } from '../durable.ts';

type Of = Pick<StoreDeps, 'secrets' | 'home'>;

/** Where Steward keeps the key that it made for a repository. */
export function keyFileOf(home: string, name: string): string {
  return join(home, 'backup-keys', name);
}

export async function readKey({ name, password }: RepositoryOf<'restic'>, { secrets, home }: Of): Promise<string> {
  if (password) return await secrets(password);
  const path = keyFileOf(home, name);
  try {
    return (await readFile(path, 'utf8')).trim();
  } catch (cause) {
    throw new StewardError('FORBIDDEN', `There is no key for the repository ${name}: ${path} cannot be read.`, {
      hint: 'Put the key there again, it is in the recovery kit; or name the secret that holds it as its password.',
      cause,
    });
  }
}

export function newKey(): string {
  return randomBytes(32).toString('base64url');
}

/** On the disk before anything is encrypted with it, and never in the place of another. */
export async function keepKey(home: string, name: string, key: string): Promise<void> {
  const path = keyFileOf(home, name);
  const folder = join(home, 'backup-keys');
  const partial = join(folder, `.${randomUUID()}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    await writeDurably(partial, `${key}\n`);
    try {
      await link(partial, path);
    } finally {
      await unlink(partial);
    }
    await syncFolder(folder);
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST')
      throw new StewardError('CONFLICT', `${path} holds a key already: it is not replaced.`, { cause });
    throw fileError(`${path} cannot be written`, cause);
  }
}

/**
 * Hands the key to a program as a file that has no name: nothing is left of it when either ends, however that ends. The
 * program reads it through this process, which the kernel allows the same user only.
 */
export async function withKeyFile<T>(home: string, key: string, use: (path: string) => Promise<T>): Promise<T> {
  const folder = join(home, 'backup-keys');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, `.${randomUUID()}`);
  const file = await open(path, 'wx+', 0o600);
  try {
    await unlink(path);
    await file.writeFile(key);
    return await use(`/proc/${process.pid}/fd/${file.fd}`);
  } finally {
    await file.close();
  }
}
