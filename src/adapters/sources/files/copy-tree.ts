import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Part } from '../../../core/backup/copy.ts';
import type { Copied, SourceFacts } from '../../../core/backup/reader.ts';
import type { CopyWriter, Doing, Tree } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import { asContents } from '../contents.ts';
import type { SourceDeps } from '../deps.ts';
import { makeScratch } from '../scratch.ts';
import { findApart, tellServer } from './apart.ts';
import { copyDatabases } from './databases.ts';
import { lookAtTree, type TreeLook } from './look.ts';
import { absolute, createMayHit } from './patterns.ts';
import { remember, rememberedOf } from './remembered.ts';
import { BESIDE } from './sqlite-file.ts';

type LeftOut = SourceFacts['leftOut'][number];

export interface TreeToCopy {
  readonly name: string;
  /** Of the copy's part: files.tar. */
  readonly part: string;
  /** What is there, in the order of a walk. */
  readonly roots: readonly string[];
  readonly exclude: readonly string[];
  /** Somebody has brought to rest whoever writes there: then its databases are files like others. */
  readonly atRest?: boolean | undefined;
}

/**
 * A tree and what is in it. It is described while the repository reads it, so that the disk is read once. Whatever changed
 * until both were done is told: its copy may be torn, and there is nothing to compare it with. Databases of SQLite are copied by their own
 * backup, and put apart from the tree.
 */
export async function copyTree(
  { name, part, roots, exclude, atRest = false }: TreeToCopy,
  writer: CopyWriter,
  { programs, scratch, cache, now }: SourceDeps,
  doing: Doing,
): Promise<Omit<Copied, 'tools'>> {
  if (roots.length === 0)
    throw new StewardError('NOT_FOUND', `Nothing of ${name} is there: none of its paths leads to anything.`, {
      hint: 'Correct the paths of this source.',
    });
  const out = createLeftOut();
  const failing = new AbortController();
  const signal = AbortSignal.any([doing.signal, failing.signal]);
  const snapshotAt = now();
  const folder = await makeScratch(scratch, { kind: 'tree', owner: name });
  const spool = join(folder.path, 'items');
  const known = await rememberedOf(cache, name);
  // By the clock that files are dated by.
  const since = (await stat(folder.path)).ctimeMs;
  let look: TreeLook | undefined;
  try {
    const found = await findApart({ roots, exclude, named: exclude.filter(hasDeepStar) }, signal);
    const databases = atRest ? [] : found.databases;
    if (!atRest) for (const server of found.servers) out.add(tellServer(server));
    const apart = databases.flatMap((path) => [path, ...BESIDE.map((end) => path + end)]);
    look = lookAtTree({ roots, exclude, apart, since, known, spool }, signal, out.add);
    const { describe, again, contents: summary } = look;
    const stopOther = (thrown: unknown): never => {
      failing.abort(thrown);
      throw thrown;
    };
    const told = (files: number): void => doing.progress?.({ bytes: 0, message: `${files} files and folders` });
    const own = new Set(apart);
    const paths = roots.filter((root) => !own.has(root));
    const keep = async (): Promise<Tree | undefined> =>
      paths.length === 0
        ? undefined
        : await writer.tree(
            { name: part },
            { paths, exclude: excludesOf({ roots, exclude }, [...found.specials, ...apart]) },
          );
    const [tree, { files, bytes }] = await Promise.all([keep().catch(stopOther), describe(told).catch(stopOther)]);
    if (tree?.bytes === 0 && bytes > 0)
      throw new StewardError(
        'PROGRAM_FAILED',
        `Nothing of ${name} reached the repository, though ${files} files and folders are there.`,
        {
          hint: 'Start it again; the log of the repository may say more.',
          retryable: true,
        },
      );
    for (const path of tree?.changed ?? [])
      out.add({ what: path, why: 'it changed while it was copied: what the copy has of it may be torn' });
    for (const path of tree?.unreadable ?? []) out.add({ what: path, why: 'it could not be read' });
    const kept =
      databases.length === 0
        ? { items: [], part: undefined }
        : await copyDatabases(databases, writer, { programs, folder: folder.path }, doing, out.add);
    const contents = await writer.part(asContents, again(kept.items));
    await remember(cache, name, { file: spool, since: snapshotAt.getTime() });
    const parts = [...(tree ? [partOf(tree)] : []), ...(kept.part ? [kept.part] : []), contents];
    return { snapshotAt, parts, contents: summary(), leftOut: out.list() };
  } catch (thrown) {
    doing.signal.throwIfAborted();
    throw errnoOf(thrown) === undefined || thrown instanceof StewardError ? thrown : fileError(scratch, thrown);
  } finally {
    await look?.end();
    await folder.remove();
  }
}

const partOf = ({ files: _, unreadable: __, changed: ___, ...part }: Tree): Part => part;

/** What a repository is told to leave out, in its own words. */
function excludesOf({ roots, exclude }: Pick<TreeToCopy, 'roots' | 'exclude'>, specials: readonly string[]): string[] {
  const mayHit = createMayHit(roots);
  const patterns = exclude.filter((pattern) => !hasDeepStar(pattern) && mayHit(pattern));
  return [...patterns.map(asRepositoryHasIt), ...specials.filter(mayHit).map(literal)];
}

const hasDeepStar = (pattern: string): boolean => pattern.split('/').includes('**');

/** * means the same to a repository; what is more to it and not to Steward is taken as it stands. */
function asRepositoryHasIt(pattern: string): string {
  const whole = /[/~]/.test(pattern) ? absolute(pattern) : pattern;
  return whole.replaceAll(/[?[\\]/g, String.raw`\$&`);
}

function literal(path: string): string {
  return path.replaceAll(/[*?[\\]/g, String.raw`\$&`);
}

/** A manifest stays small: the rest of a long list is counted. */
const TOLD = 200;

export function createLeftOut(): { add(what: LeftOut): void; list(): LeftOut[] } {
  const told = new Map<string, string>();
  let more = 0;
  return {
    add({ what, why }) {
      if (told.has(what)) return;
      if (told.size < TOLD) told.set(what, why);
      else more += 1;
    },
    list: () => [
      ...[...told].map(([what, why]) => ({ what, why })),
      ...(more > 0 ? [{ what: `${more} more`, why: 'for reasons like these' }] : []),
    ],
  };
}
