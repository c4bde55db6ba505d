import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Restored, SealedCopy } from '../../core/backup/reader.ts';
import type { Part } from '../../core/backup/copy.ts';
import type { Doing } from '../../core/backup/store.ts';
import { safeName } from '../../core/backup/names.ts';
import { StewardError } from '../../core/errors.ts';
import { fileError } from '../files/file-errors.ts';
import { heldIn, unpackDatabases } from '../sources/files/databases.ts';

/**
 * What is in a copy, into an empty folder, by its manifest alone: whoever configures its source is not asked. Trees are unpacked,
 * everything else is the file that its kind restores from. `only` are files and folders of trees and names of parts, as browsing
 * shows them; NOT_FOUND where the copy has one of them not.
 */
export async function extractParts(
  copy: SealedCopy,
  { path, only }: { readonly path: string; readonly only?: readonly string[] | undefined },
  doing: Doing,
): Promise<Restored> {
  const { store, location } = copy;
  const started = performance.now();
  const what: string[] = [];
  try {
    const picked = await pick(copy, only, doing);
    await mkdir(path, { recursive: true, mode: 0o700 });
    // Each tree wants a folder that is empty, so they come first, and a second one has its own.
    let trees = 0;
    for (const { part, paths } of picked.filter((each) => each.part.kind === 'tree')) {
      const folder = trees === 0 ? path : join(path, safeName(part.name));
      if (trees > 0) await mkdir(folder, { mode: 0o700 });
      await store.extract(location, part, { folder, only: paths }, doing);
      what.push(...(paths ? paths.map((each) => join(folder, each)) : [folder]));
      trees += 1;
    }
    for (const { part, paths } of picked.filter(({ part: { kind } }) => kind === 'databases')) {
      // Among the files of their tree, where they were.
      await unpackDatabases(copy, path, paths, doing);
      what.push(...(paths ?? part.holds?.map((each) => each.path) ?? []).map((each) => join(path, each)));
    }
    for (const { part } of picked.filter(({ part: { kind } }) => kind !== 'tree' && kind !== 'databases')) {
      const file = join(path, safeName(part.name));
      const content = Readable.from(store.read(location, part, doing), { objectMode: false });
      await pipeline(content, createWriteStream(file, { flags: 'wx', mode: 0o600 }), { signal: doing.signal });
      what.push(file);
    }
  } catch (thrown) {
    throw fileError(path, thrown);
  }
  return { what, durationMs: performance.now() - started };
}

interface Picked {
  readonly part: Part;
  /** What of a tree; undefined: all of it. */
  readonly paths?: readonly string[] | undefined;
}

async function pick(
  { store, location, manifest }: SealedCopy,
  only: readonly string[] | undefined,
  doing: Doing,
): Promise<Picked[]> {
  if (!only) return manifest.parts.filter(({ kind }) => kind !== 'contents').map((part) => ({ part }));
  const picked: Picked[] = manifest.parts.flatMap((part) =>
    part.kind !== 'tree' && only.includes(part.name) ? [{ part }] : [],
  );
  const paths = only
    .filter((each) => !picked.some(({ part }) => part.name === each))
    .map((each) => normalize(`/${each}`).replace(/(?<=.)\/$/, ''));
  const held = heldIn({ manifest }).map(({ path }) => path);
  const apart = paths.filter((wanted) => held.some((each) => each === wanted || each.startsWith(`${wanted}/`)));
  for (const part of manifest.parts)
    if (part.kind === 'databases' && apart.length > 0) picked.push({ part, paths: apart });
  const ofTree = paths.filter((path) => !held.includes(path));
  const trees = manifest.parts.filter(({ kind }) => kind === 'tree');
  const left = new Set(trees.length > 0 ? ofTree : ofTree.filter((path) => !apart.includes(path)));
  // One tree says itself what it lacks; of several each is asked what it has.
  for (const part of trees.length > 1 ? trees : []) {
    const here = new Set<string>();
    for await (const entry of left.size === 0 ? [] : store.entries(location, part, doing))
      for (const wanted of left) if (entry.path === wanted || entry.path.startsWith(`${wanted}/`)) here.add(wanted);
    for (const found of here) left.delete(found);
    if (here.size > 0) picked.push({ part, paths: [...here] });
  }
  const [tree] = trees;
  if (trees.length === 1 && tree) {
    if (ofTree.length > 0) picked.push({ part: tree, paths: ofTree });
  } else if (left.size > 0)
    throw new StewardError('NOT_FOUND', `${[...left][0]} is not in this copy.`, {
      hint: 'Browse the copy for what is in it.',
    });
  return picked;
}
