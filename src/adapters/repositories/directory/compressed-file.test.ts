import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Bytes } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { fakePrograms } from '../../../testing/fakes/fake-programs.ts';
import { hasProgram } from '../../../testing/world/start-program.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { writeCompressed } from './compressed-file.ts';

const doing = { signal: new AbortController().signal, told: (): void => undefined };
const decompress = promisify(zstdDecompress);

async function* pieces(count: number, then?: Error): Bytes {
  for (let piece = 0; piece < count; piece += 1) yield Buffer.alloc(64 * 1024, piece % 7);
  if (then) throw then;
}

const real = createPrograms({ environment: process.env });
const kinds = [
  ['the library, where this machine has no zstd', fakePrograms()],
  ...(hasProgram('zstd') ? [['the program', real] as const] : []),
] as const;

describe.each(kinds)('content compressed by %s', (_name, programs) => {
  it('is the same afterwards, and measured before and after', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'part.zst');
    const { content, stored } = await writeCompressed(path, pieces(50), { ...doing, programs });
    const file = await readFile(path);
    const back = await decompress(file);
    expect([content.bytes, stored.bytes]).toEqual([50 * 64 * 1024, file.length]);
    expect(back.length).toBe(content.bytes);
    expect(back.subarray(64 * 1024, 64 * 1024 + 3)).toEqual(Buffer.from([1, 1, 1]));
  });

  it('leaves no file where the content broke off, whatever it broke off with', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'part.zst');
    const gone = new StewardError('NOT_FOUND', 'The source went away.');
    await expect(writeCompressed(path, pieces(30, gone), { ...doing, programs })).rejects.toBe(gone);
    expect(existsSync(path)).toBe(false);
  });
});
