import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Restored, SealedCopy } from '../../core/backup/reader.ts';
import type { Doing } from '../../core/backup/store.ts';
import { safeName } from '../../core/backup/names.ts';
import { fileError } from '../files/file-errors.ts';

/**
 * What is in a copy, into an empty folder, by its manifest alone: for a copy whose source nobody configures any more. Trees are
 * unpacked, everything else is the file that its kind restores from.
 */
export async function extractParts(
  { store, location, manifest }: SealedCopy,
  { path, only }: { readonly path: string; readonly only?: readonly string[] | undefined },
  doing: Doing,
): Promise<Restored> {
  const started = performance.now();
  const what: string[] = [];
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    // Each tree wants a folder that is empty, so they come first, and a second one has its own.
    let trees = 0;
    for (const part of manifest.parts.filter(({ kind }) => kind === 'tree')) {
      const folder = trees === 0 ? path : join(path, safeName(part.name));
      if (trees > 0) await mkdir(folder, { mode: 0o700 });
      await store.extract(location, part, { folder, only }, doing);
      what.push(folder);
      trees += 1;
    }
    for (const part of manifest.parts) {
      if (part.kind === 'tree' || part.kind === 'contents') continue;
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
