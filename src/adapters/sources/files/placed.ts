import type { Stats } from 'node:fs';
import { lstat, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Moves } from './moves.ts';

/** In the folder with what a restore replaced: what it put where nothing was, which has nothing else to be known by. */
export const RECORD = '.steward-placed';

/** What was not there before a restore; or a folder that was, with what it was. */
export interface Placed {
  readonly path: string;
  readonly was?: FolderWas | undefined;
}
export type FolderWas = Pick<Stats, 'mode' | 'uid' | 'gid' | 'mtimeMs'>;

/** The first word on a path counts: what came later is of an attempt that found what the one before it had put there. */
export async function readPlaced(before: string): Promise<ReadonlyMap<string, Placed>> {
  const text = await readFile(join(before, RECORD), 'utf8').catch(() => '');
  const all = new Map<string, Placed>();
  for (const line of text.split('\n')) {
    const placed = placedIn(line);
    if (placed && !all.has(placed.path)) all.set(placed.path, placed);
  }
  return all;
}

/** Undefined of one that is cut off, by a full disk or a power failure: nothing was put there yet. */
function placedIn(line: string): Placed | undefined {
  try {
    return JSON.parse(line) as Placed;
  } catch {
    return undefined;
  }
}

export interface PlacedRecord {
  /** Whether an attempt at the same restore before this one put it there. */
  put(path: string): boolean;
  /** On the disk before anything is put there. */
  note(placed: AsyncIterable<Placed> | Iterable<Placed>): Promise<void>;
}

export async function openPlaced(before: string, moves: Moves): Promise<PlacedRecord> {
  const known = await readPlaced(before);
  const noted = new Set(known.keys());
  return {
    put: (path) => known.has(path) && known.get(path)?.was === undefined,
    async note(placed) {
      let text = '';
      for await (const each of placed) {
        if (noted.has(each.path)) continue;
        noted.add(each.path);
        // On a line of its own, though the one before it may be cut off.
        text += `\n${JSON.stringify(each)}`;
      }
      if (text === '') return;
      await moves.makeFolder(before, 0o700);
      // What an attempt before this one left there is still true when this one is taken back.
      if (known.size === 0) moves.did(() => rm(join(before, RECORD), { force: true }));
      await writeFile(join(before, RECORD), text, { flag: 'a', mode: 0o600, flush: true });
    },
  };
}

/** What of a tree that is about to take its place is not there yet, the top of it only; and folders that will be others. */
export async function* toBePlaced(from: string, path: string): AsyncGenerator<Placed> {
  const [stats, there] = [await lstat(from), await lstat(path).catch(() => undefined)];
  if (!there) return yield { path };
  if (!stats.isDirectory() || !there.isDirectory()) return;
  const { mode, uid, gid, mtimeMs } = there;
  if (mode !== stats.mode || uid !== stats.uid || gid !== stats.gid || mtimeMs !== stats.mtimeMs)
    yield { path, was: { mode, uid, gid, mtimeMs } };
  for (const name of await readdir(from)) yield* toBePlaced(join(from, name), join(path, name));
}
