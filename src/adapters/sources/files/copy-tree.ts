import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Copied, SourceFacts } from '../../../core/backup/reader.ts';
import type { CopyWriter, Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import { writeContents } from '../contents.ts';
import type { SourceDeps } from '../deps.ts';
import { makeScratch } from '../scratch.ts';
import { absolute } from './patterns.ts';
import { remember, rememberedOf } from './remembered.ts';
import { scan, scanItems } from './scan.ts';

type LeftOut = SourceFacts['leftOut'][number];

export interface TreeToCopy {
  readonly name: string;
  /** Of the copy's part: files.tar. */
  readonly part: string;
  /** What is there, in the order of a walk. */
  readonly roots: readonly string[];
  readonly exclude: readonly string[];
}

/**
 * A tree and what is in it. It is described while the repository reads it, so that the disk is read once. Whatever changed
 * until both were done is told: its copy may be torn, and there is nothing to compare it with.
 */
export async function copyTree(
  { name, part, roots, exclude }: TreeToCopy,
  writer: CopyWriter,
  { scratch, cache, now }: SourceDeps,
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
  const patterns = exclude.filter((pattern) => !hasDeepStar(pattern)).map(asRepositoryHasIt);
  try {
    const specials: string[] = [];
    const job = { do: 'specials', roots, exclude, named: exclude.filter(hasDeepStar) } as const;
    for await (const found of scan(job, signal)) specials.push(...found.specials);
    let [files, bytes] = [0, 0];
    async function* lines(): AsyncGenerator<string> {
      const describing = { do: 'describe', roots, exclude, hash: true, known } as const;
      for await (const { items, leftOut } of scan(describing, signal)) {
        leftOut.forEach(out.add);
        files += items.length;
        for (const [, { count }] of items) bytes += count;
        doing.progress?.({ bytes: 0, message: `${files} files and folders` });
        yield items.map((each) => `${JSON.stringify(each)}\n`).join('');
      }
    }
    const stopOther = (thrown: unknown): never => {
      failing.abort(thrown);
      throw thrown;
    };
    const [tree] = await Promise.all([
      writer.tree({ name: part }, { paths: roots, exclude: [...patterns, ...specials.map(literal)] }).catch(stopOther),
      pipeline(Readable.from(lines()), createWriteStream(spool, { mode: 0o600 })).catch(stopOther),
    ]);
    if (tree.bytes === 0 && bytes > 0)
      throw new StewardError(
        'PROGRAM_FAILED',
        `Nothing of ${name} reached the repository, though ${files} files and folders are there.`,
        {
          hint: 'Start it again; the log of the repository may say more.',
          retryable: true,
        },
      );
    for (const path of tree.changed)
      out.add({ what: path, why: 'it changed while it was copied: what the copy has of it may be torn' });
    for (const path of tree.unreadable) out.add({ what: path, why: 'it could not be read' });
    const { part: contentsPart, contents } = await writeContents(
      writer,
      scanItems({ do: 'again', spool }, signal, out.add),
    );
    await remember(cache, name, { file: spool, since: snapshotAt.getTime() });
    const { files: _, unreadable: __, changed: ___, ...treePart } = tree;
    return { snapshotAt, parts: [treePart, contentsPart], contents, leftOut: out.list() };
  } catch (thrown) {
    doing.signal.throwIfAborted();
    throw errnoOf(thrown) === undefined || thrown instanceof StewardError ? thrown : fileError(scratch, thrown);
  } finally {
    await folder.remove();
  }
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
