import { lstat, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StoredCopy } from '../../../core/backup/store.ts';
import { BackupName } from '../../../core/backup/source.ts';
import { StewardError } from '../../../core/errors.ts';
import type { Log } from '../../../core/log.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import { folderOf, MANIFEST, STAMP, StoredManifest, SUMS } from './layout.ts';
import { parseSums } from './sums.ts';
import { sha256Of } from './writer.ts';

/** The copies of one source, or of all: each folder with a manifest. */
export async function sealedIn(root: string, log: Log, only?: string): Promise<StoredCopy[]> {
  const sources = only === undefined ? await namesIn(root) : [only];
  const found: StoredCopy[] = [];
  for (const source of sources.filter((name) => BackupName.safeParse(name).success)) {
    for (const stamp of (await namesIn(join(root, source))).filter((name) => STAMP.test(name))) {
      const location = `${source}/${stamp}`;
      const copy = await copyAt(root, location);
      if (copy === 'unreadable') log.warn('backup copy does not say what it is', { root, location });
      else if (copy) found.push(copy);
    }
  }
  return found;
}

async function copyAt(root: string, location: string): Promise<StoredCopy | 'unreadable' | undefined> {
  const folder = join(root, location);
  const manifest = await lstat(join(folder, MANIFEST)).catch(() => undefined);
  if (!manifest?.isFile()) return undefined;
  const sums = parseSums(await readFile(join(folder, SUMS), 'utf8').catch(() => ''));
  if (sums) return { id: sums.id, source: sums.source, location, claimedAt: sums.at };
  const said = await readManifest(folder).catch(() => undefined);
  return said
    ? { id: said.copy, source: said.source.name, location, claimedAt: new Date(said.startedAt) }
    : 'unreadable';
}

/** Compared with what SHA256SUMS says of it: VERIFICATION_FAILED where either was touched, NOT_FOUND where no copy is. */
export async function manifestAt(root: string, location: string): Promise<StoredManifest> {
  const folder = folderOf(root, location);
  const [text, sums] = await Promise.all([textOf(folder, MANIFEST), textOf(folder, SUMS)]);
  if (text === undefined && sums === undefined)
    throw new StewardError('NOT_FOUND', `There is no copy ${location} in ${root}.`, {
      hint: 'It may have been removed: list the copies.',
    });
  if (text === undefined) throw damaged(location, `${MANIFEST} is missing`);
  const expected = sums === undefined ? undefined : parseSums(sums)?.files.get(MANIFEST);
  if (expected === undefined) throw damaged(location, `${SUMS} does not tell what ${MANIFEST} must be`);
  if (expected !== sha256Of(text)) throw damaged(location, `${MANIFEST} is not what ${SUMS} says`);
  return await readManifest(folder);
}

async function readManifest(folder: string): Promise<StoredManifest> {
  try {
    return StoredManifest.parse(JSON.parse(await readFile(join(folder, MANIFEST), 'utf8')));
  } catch (cause) {
    throw damaged(folder, `${MANIFEST} has not the form of one`, cause);
  }
}

export function damaged(location: string, why: string, cause?: unknown): StewardError {
  return new StewardError('VERIFICATION_FAILED', `The copy ${location} is damaged: ${why}.`, {
    hint: 'Its other files may be whole: sha256sum -c SHA256SUMS in its folder tells. Take another copy to restore from.',
    cause,
  });
}

async function textOf(folder: string, name: string): Promise<string | undefined> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    throw fileError(`${join(folder, name)} cannot be read`, error);
  }
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder, { withFileTypes: true }))
      .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'))
      .map(({ name }) => name)
      .toSorted();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return [];
    throw fileError(`${folder} cannot be read`, error);
  }
}
