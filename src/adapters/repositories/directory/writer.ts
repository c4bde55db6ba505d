import { createHash } from 'node:crypto';
import { rename, rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Manifest, Part } from '../../../core/backup/copy.ts';
import type { Bytes, CopyName, CopyWriter, Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { StoreDeps } from '../deps.ts';
import { makeFolder, syncFolder, writeDurably } from '../durable.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import { asPattern, stampOf, storedName } from '../../../core/backup/names.ts';
import { progressOf } from '../told-progress.ts';
import { writeCompressed } from './compressed-file.ts';
import { LEASE, MANIFEST, type StoredFile, type StoredManifest, SUMS } from './layout.ts';
import { sumsText } from './sums.ts';
import { archive } from './tree-archive.ts';
import { endAttempt } from './unfinished.ts';

export interface Place {
  readonly root: string;
  /** Where it is made; on the file system of `root`. */
  readonly folder: string;
}

export function createWriter(
  { root, folder }: Place,
  copy: CopyName,
  doing: Doing,
  { programs }: Pick<StoreDeps, 'programs'>,
): CopyWriter {
  const stamp = stampOf(copy.at);
  const files = new Map<string, StoredFile>();
  const told = progressOf(doing);
  let state: 'open' | 'sealed' | 'abandoned' = 'open';

  async function write(
    { name, kind, database }: Pick<Part, 'name' | 'kind' | 'database'>,
    content: Bytes,
  ): Promise<Part> {
    if (state !== 'open') throw new StewardError('INTERNAL', `The copy ${copy.id} is ${state}: no part can follow.`);
    const file = storedName(name, stamp);
    const { content: is, stored } = await writeCompressed(join(folder, file), content, {
      signal: doing.signal,
      told,
    });
    files.set(name, { part: name, file, ...stored });
    return { name, kind, ...(database === undefined ? {} : { database }), ...is, storedBytes: stored.bytes };
  }

  async function drop(name: string): Promise<void> {
    const file = files.get(name)?.file;
    files.delete(name);
    if (file !== undefined) await rm(join(folder, file), { force: true });
  }

  return {
    encrypted: false,
    part: write,
    drop,
    async tree({ name }, what) {
      try {
        const index = join(folder, `.${storedName(name, stamp)}.index`);
        const { taken, ...more } = await archive(
          // A tree that holds the repository would never end.
          { paths: what.paths, exclude: [...what.exclude, asPattern(root)], index },
          (content) => write({ name, kind: 'tree' }, content),
          { programs, doing },
        );
        return { ...taken, ...more };
      } catch (thrown) {
        // tar says at its end what it could not do.
        await drop(name);
        throw thrown;
      }
    },
    async seal(manifest) {
      const missing = manifest.parts.filter(({ name }) => !files.has(name)).map(({ name }) => name);
      if (missing.length > 0 || state !== 'open')
        throw new StewardError('INTERNAL', `The copy ${copy.id} cannot be sealed: ${missing.join(', ') || state}.`);
      doing.signal.throwIfAborted();
      try {
        const kept = manifest.parts.flatMap(({ name }) => files.get(name) ?? []);
        const text = manifestText(manifest, kept);
        const sums = [...kept, { file: MANIFEST, sha256: sha256Of(text) }];
        await writeDurably(join(folder, SUMS), sumsText(copy, sums));
        await writeDurably(join(folder, MANIFEST), text);
        await syncFolder(folder);
        const target = await moveTo(folder, join(root, copy.source), stamp);
        state = 'sealed';
        endAttempt(folder);
        // Until here it says whose this is, should its maker die. Where it stays it does no harm.
        await rm(join(target, LEASE), { force: true });
        return {
          location: relative(root, target),
          storedBytes: kept.reduce((sum, { bytes }) => sum + bytes, text.length),
        };
      } catch (thrown) {
        throw thrown instanceof StewardError ? thrown : fileError(`The copy ${copy.id} cannot be sealed`, thrown);
      }
    },
    async abandon() {
      if (state === 'sealed') return;
      state = 'abandoned';
      endAttempt(folder);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Appears under its name at once and whole. The name of a second that is taken gets a number. */
async function moveTo(folder: string, parent: string, stamp: string): Promise<string> {
  await makeFolder(parent);
  for (let number = 1; ; number++) {
    const target = join(parent, number === 1 ? stamp : `${stamp}_${number}`);
    try {
      // The kernel replaces an empty folder and nothing else.
      await rename(folder, target);
      await syncFolder(parent);
      return target;
    } catch (error) {
      if (!['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '') || number > 1000) throw error;
    }
  }
}

function manifestText(manifest: Manifest, files: readonly StoredFile[]): string {
  const stored: StoredManifest = { ...manifest, files: [...files] };
  return `${JSON.stringify(stored, null, 2)}\n`;
}

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
