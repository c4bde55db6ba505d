import { lstat, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { RestoreTarget, Restored, SealedCopy } from '../../../core/backup/reader.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { fileError } from '../../files/file-errors.ts';
import { assertFree, tellHolders } from '../sqlite/holders.ts';
import { keptAs, stampOf, type SourceDeps } from '../deps.ts';
import { makeScratch } from '../scratch.ts';
import { databasesIn } from './apart.ts';
import { heldIn } from './databases.ts';
import { createMoves, type Moves } from './moves.ts';
import { openPlaced, toBePlaced } from './placed.ts';
import { extractInto } from './prove-tree.ts';
import { anchorOf, isBelow, wantedOf, type Wanted } from './restore-plan.ts';
import { BESIDE, isSqlite, mayBeSqlite } from './sqlite-file.ts';

/** What a restore would replace there: files that are there now, and those of a folder that is not empty. */
export async function occupiedByTree(
  copy: SealedCopy,
  to: RestoreTarget,
  doing: Doing,
  mirror = false,
): Promise<readonly string[]> {
  if (to.kind === 'database') throw noDatabase();
  if (to.kind === 'folder') {
    const names = await readdir(to.path).catch(() => []);
    return names.length > 0 ? [`${to.path}, which is not empty`] : [];
  }
  const wanted = await wantedOf(copy, to.only, doing);
  return [
    ...wanted
      .filter(({ present }) => present > 0)
      .map(({ path, entries, present }) => (entries === 1 ? path : `${path}: ${present} files`)),
    ...(await tellHolders(await databasesReplaced(copy, wanted, mirror, doing))),
  ];
}

/** Whatever of the copy is to lie there, whether the copy knows it for a database or not. */
async function databasesReplaced(
  copy: SealedCopy,
  wanted: readonly Wanted[],
  mirror: boolean,
  { signal }: Doing,
): Promise<string[]> {
  const held = heldIn(copy)
    .map(({ path }) => path)
    .filter((path) => wanted.some((top) => isBelow(path, top.path)));
  const there = await databasesIn(
    wanted.flatMap(({ path, suspects }) => (mirror ? [path] : suspects)),
    signal,
  );
  return [...new Set([...held, ...there])];
}

export interface TreeRestoreOptions extends Pick<SourceDeps, 'scratch' | 'now'> {
  /** What is there and was not there when the copy was made goes, too: kept beside with the rest. */
  readonly mirror?: boolean | undefined;
}

/**
 * To the original: extracted beside on the same disk, then each file takes its place at once. What is replaced is kept below
 * `.steward-before-<run>`, with a record of what came where nothing was; where nothing of it was there, there is nothing to go back
 * to, and no record. Where a step fails everything is put back; after a crash each file is the old one or the new one, and the
 * next attempt of the same run keeps what is still there of the old ones with those that were kept before.
 */
export async function restoreTree(
  copy: SealedCopy,
  to: RestoreTarget,
  { scratch, now, mirror = false }: TreeRestoreOptions,
  doing: Doing,
): Promise<Restored> {
  const startedAt = performance.now();
  if (to.kind === 'database') throw noDatabase();
  if (to.kind === 'folder') {
    if ((await occupiedByTree(copy, to, doing)).length > 0)
      throw new StewardError('CONFLICT', `${to.path} is not empty.`, {
        hint: 'Nothing was replaced. Choose an empty folder.',
      });
    await extractInto(copy, to.path, to.only, doing);
    return { what: to.only ?? [to.path], durationMs: performance.now() - startedAt };
  }
  const wanted = await wantedOf(copy, to.only, doing);
  const assertAllFree = async () => await assertFree(await databasesReplaced(copy, wanted, mirror, doing));
  await assertAllFree();
  const stamp = stampOf(now());
  const folder = await makeScratch(scratch, { kind: 'tree', owner: copy.manifest.copy });
  const moves = createMoves();
  const kept = new Map<string, string>();
  for (const { path } of wanted)
    kept.set(path, join((await anchorOf(path)).folder, `.steward-before-${keptAs(doing, now())}`));
  const thereOfKept = () => thereOf(new Set(kept.values()));
  try {
    const staged: (readonly [staging: string, tops: readonly Wanted[]])[] = [];
    for (const { at, tops } of await byDisk(wanted)) {
      const staging = join(at, `.steward-restoring-${stamp}`);
      await folder.alsoRemove(staging);
      await extractInto(
        copy,
        staging,
        tops.map(({ path }) => path),
        doing,
      );
      staged.push([staging, tops]);
    }
    await assertAllFree();
    await doing.lease?.();
    // Everything is on its disk: from here on nothing needs room.
    const recorded = wanted.some(({ present }) => present > 0);
    for (const [staging, tops] of staged)
      for (const { path, unsure } of tops)
        await putInPlace(
          {
            staging,
            top: path,
            before: kept.get(path) ?? '',
            recorded,
            stamp,
            stays: mirror ? unsure : undefined,
            moves,
          },
          doing,
        );
    return {
      what: wanted.map(({ path }) => path),
      kept: await thereOfKept(),
      durationMs: performance.now() - startedAt,
    };
  } catch (thrown) {
    await moves.takeBack();
    const error =
      thrown instanceof StewardError
        ? thrown
        : fileError(`The restore of ${copy.manifest.source.name} was taken back`, thrown);
    const left = await thereOfKept();
    if (left.length === 0) throw error;
    throw new StewardError(
      error.code,
      `${error.message} What an attempt before it replaced lies in ${left.join(', ')}.`,
      {
        hint: error.hint,
        cause: error,
      },
    );
  } finally {
    await folder.remove();
  }
}

async function thereOf(paths: Iterable<string>): Promise<string[]> {
  const there: string[] = [];
  for (const path of paths) if (await isThere(path)) there.push(path);
  return there;
}

async function byDisk(wanted: readonly Wanted[]): Promise<{ readonly at: string; readonly tops: Wanted[] }[]> {
  const disks = new Map<number, { at: string; tops: Wanted[] }>();
  for (const top of wanted) {
    const { folder, device } = await anchorOf(top.path);
    const disk = disks.get(device) ?? { at: folder, tops: [] };
    disk.tops.push(top);
    disks.set(device, disk);
  }
  return [...disks.values()];
}

interface Placing {
  readonly staging: string;
  readonly top: string;
  readonly before: string;
  /** Whether what comes where nothing was is written down there. */
  readonly recorded: boolean;
  /** Of this attempt. */
  readonly stamp: string;
  /** Where all else that is not in the copy goes: what it could not have, which was there when it was made. */
  readonly stays: ReadonlySet<string> | undefined;
  readonly moves: Moves;
}

async function putInPlace(
  { staging, top, before, recorded, stamp, stays, moves }: Placing,
  { signal }: Doing,
): Promise<void> {
  const anchor = dirname(before);
  const record = recorded ? await openPlaced(before, moves) : undefined;
  const keep: Keep = async (path, how, ours = false) => {
    const to = join(before, path.slice(anchor === '/' ? 0 : anchor.length));
    const original = await keptOf(to, before);
    // What an attempt before this one kept is the original; what is there now it put there itself, or somebody since.
    if (original === to && how === 'keepFile') return moves.owes(to, path);
    const replaced = original !== undefined || ours;
    if (replaced && how === 'keepFile') return;
    const free = replaced ? join(before, `.since-${stamp}`, to.slice(before.length)) : to;
    await moves.makeFolder(dirname(free), 0o700);
    await moves[how](path, free);
  };
  /** `ours`: an attempt before this one put it where nothing was, so it is no original. */
  async function place(from: string, path: string, ours: boolean): Promise<void> {
    signal.throwIfAborted();
    const [stats, there] = [await lstat(from), await lstat(path).catch(() => undefined)];
    if (!there) {
      // Noted already, unless it went since all was looked through.
      if (!ours) await record?.note([{ path }]);
      return moves.take(from, path);
    }
    if (!stats.isDirectory() || !there.isDirectory()) {
      // By a second name, where it can have one: then the path is never without a file.
      await keep(path, there.isDirectory() || stats.isDirectory() ? 'move' : 'keepFile', ours);
      if (stats.isFile() && mayBeSqlite(stats.size) && isSqlite(from)) await keepBeside(from, path, keep);
      return moves.take(from, path);
    }
    if (stays) await keepAdded(path, from, stays, keep);
    for (const name of await readdir(from)) {
      const each = join(path, name);
      await place(join(from, name), each, ours || record?.put(each) === true);
    }
    await moves.attributes(path, stats, there);
  }
  await record?.note(toBePlaced(staging + top, top));
  await moves.makeFolder(dirname(top));
  await place(staging + top, top, record?.put(top) === true);
}

/** What is kept already where this would be, or a file where its folder would be; undefined where there is room for it. */
async function keptOf(to: string, before: string): Promise<string | undefined> {
  if (await isThere(to)) return to;
  for (let at = dirname(to); at.length > before.length; at = dirname(at)) {
    const found = await lstat(at).catch(() => undefined);
    if (found) return found.isDirectory() ? undefined : at;
  }
  return undefined;
}

const isThere = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

type Keep = (path: string, how: 'move' | 'keepFile', ours?: boolean) => Promise<void>;

/** What lies beside a database that is replaced would be taken for that of the one that comes. */
async function keepBeside(staged: string, path: string, keep: Keep): Promise<void> {
  for (const end of BESIDE)
    if (!(await isThere(staged + end)) && (await isThere(path + end))) await keep(path + end, 'move');
}

async function keepAdded(folder: string, staged: string, stays: ReadonlySet<string>, keep: Keep): Promise<void> {
  const wanted = new Set(await readdir(staged));
  const isLeft = (path: string): boolean => !wanted.has(basename(path)) && stays.has(path);
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    const left = isLeft(path) || BESIDE.some((end) => path.endsWith(end) && isLeft(path.slice(0, -end.length)));
    if (!wanted.has(name) && !left && !name.startsWith('.steward-')) await keep(path, 'move');
  }
}

function noDatabase(): StewardError {
  return new StewardError('INPUT_INVALID', 'Files are restored to their place or into a folder.', {
    hint: 'Name a folder instead of a database.',
  });
}
