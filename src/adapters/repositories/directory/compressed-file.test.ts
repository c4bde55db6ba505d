import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdDecompress } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import type { Bytes } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { writeCompressed } from './compressed-file.ts';

const doing = { signal: new AbortController().signal, told: (): void => undefined };
const decompress = promisify(zstdDecompress);

async function* one(content: Uint8Array): Bytes {
  yield content;
}

async function compressed(content: Uint8Array, level: number): Promise<number> {
  const made = await promisify(zstdCompress)(content, { params: { [constants.ZSTD_c_compressionLevel]: level } });
  return made.length;
}

async function* pieces(count: number, then?: Error): Bytes {
  for (let piece = 0; piece < count; piece += 1) yield Buffer.alloc(64 * 1024, piece % 7);
  if (then) throw then;
}

describe('content that is compressed', () => {
  it('is the same afterwards, and measured before and after', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'part.zst');
    const { content, stored } = await writeCompressed(path, pieces(150), doing);
    const file = await readFile(path);
    const back = await decompress(file);
    expect([content.bytes, stored.bytes]).toEqual([150 * 64 * 1024, file.length]);
    expect(back.length).toBe(content.bytes);
    for (const at of [1, 65, 149]) expect(back[at * 64 * 1024]).toBe(at % 7);
  });

  it('may be nothing', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'part.zst');
    const { content } = await writeCompressed(path, pieces(0), doing);
    expect([content.bytes, (await decompress(await readFile(path))).length]).toEqual([0, 0]);
  });

  it('is worked on harder only where that makes less of it', async () => {
    await using folder = await tempFolder();
    const hashes = Array.from({ length: 20_000 }, (_, row) => createHash('md5').update(String(row)).digest('hex'));
    const words = hashes.map((hash, row) => `line ${row % 97} of a text about ${hash.slice(0, 2)}\n`).join('');
    for (const text of [hashes.join('\n'), words]) {
      const content = Buffer.from(text);
      const [fast, usual] = await Promise.all([compressed(content, 1), compressed(content, 3)]);
      const { stored } = await writeCompressed(join(folder.path, `${content.length}.zst`), one(content), doing);
      // The checksum at its end is four bytes, and the length at its beginning is not known.
      expect(Math.abs(stored.bytes - Math.min(fast, usual))).toBeLessThan(50);
    }
  });

  it('leaves no file where it broke off, whatever it broke off with', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 'part.zst');
    const gone = new StewardError('NOT_FOUND', 'The source went away.');
    await expect(writeCompressed(path, pieces(30, gone), doing)).rejects.toBe(gone);
    expect(existsSync(path)).toBe(false);
  });
});
