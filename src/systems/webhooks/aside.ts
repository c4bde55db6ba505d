import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** A file of the journal that was kept, because part of it cannot be read. It has bodies as they were sent. */
export interface Aside {
  readonly name: string;
  readonly bytes: number;
  /** When the last of it was taken. */
  readonly at: Date;
}

const ENDING = '.journal.damaged';
/** As much as sixteen whole files have; a disk that spoils everything is not to fill itself. */
const MOST_BYTES = 256 * 1024 * 1024;

const nothingWhereMissing = (thrown: NodeJS.ErrnoException): undefined => {
  if (thrown.code !== 'ENOENT') throw thrown;
};

/** The oldest first. Whoever never took a webhook has no journal. */
export async function filesAside(folder: string): Promise<readonly Aside[]> {
  const names = (await readdir(folder).catch(nothingWhereMissing)) ?? [];
  const found = await Promise.all(
    names.map(async (name) => {
      const seen = name.endsWith(ENDING) && (await stat(join(folder, name)).catch(nothingWhereMissing));
      return seen && seen.isFile() ? [{ name, bytes: seen.size, at: seen.mtime }] : [];
    }),
  );
  return found.flat().toSorted((one, other) => one.at.getTime() - other.at.getTime());
}

/** What was sent before that goes, as it does from the store, and the oldest of more than may be. Says what went. */
export async function clearAside(
  folder: string,
  { before, mostBytes = MOST_BYTES }: { readonly before: Date; readonly mostBytes?: number },
): Promise<readonly Aside[]> {
  const gone: Aside[] = [];
  let kept = 0;
  for (const file of (await filesAside(folder)).toReversed()) {
    kept += file.bytes;
    if (file.at >= before && kept <= mostBytes) continue;
    await rm(join(folder, file.name), { force: true });
    gone.push(file);
  }
  return gone.toReversed();
}

/** What a person has to know of them; nothing where there are none. */
export function wordsOfAside(folder: string, files: readonly Aside[], keepMs: number): string | undefined {
  if (files.length === 0) return undefined;
  const days = Math.round(keepMs / 86_400_000);
  const each = files.map(({ name, bytes, at }) => `${name} (${bytes} bytes, ${at.toISOString()})`).join(', ');
  return `A part of these files of the journal in ${folder} cannot be read: ${each}. The log of that time says whether webhooks that were answered with 202 may be lost. Everything else in them is in the store. They have bodies as they were sent and go after ${days} days; when you have looked, remove them, which ends this.`;
}
