import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { clearAside, filesAside, wordsOfAside } from './aside.ts';

const DAY_MS = 86_400_000;
const KEEP_MS = 30 * DAY_MS;
const NOW = new Date('2030-01-31T18:00:00Z');

describe('files of the journal that were kept aside', () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'steward-aside-'));
    for (const [number, days] of [
      [1, 40],
      [2, 10],
      [3, 1],
    ] as const) {
      const path = join(folder, `000000000${number}.journal.damaged`);
      await writeFile(path, Buffer.alloc(1_000));
      const at = new Date(NOW.getTime() - days * DAY_MS);
      await utimes(path, at, at);
    }
    await writeFile(join(folder, '0000000004.journal'), Buffer.alloc(1_000));
    await mkdir(join(folder, '0000000005.journal.damaged'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  const left = async (): Promise<string[]> =>
    (await readdir(folder)).filter((name) => !name.startsWith('0000000005')).toSorted();
  const before = (days: number): Date => new Date(NOW.getTime() - days * DAY_MS);

  it('are named, the oldest first', async () => {
    const files = await filesAside(folder);
    expect(files.map(({ name }) => name.slice(0, 10))).toEqual(['0000000001', '0000000002', '0000000003']);
    expect(wordsOfAside(folder, files, KEEP_MS)).toContain(
      '0000000002.journal.damaged (1000 bytes, 2030-01-21T18:00:00.000Z)',
    );
    expect(wordsOfAside(folder, [], KEEP_MS)).toBeUndefined();
  });

  it('are none where there never was a journal', async () => {
    expect(await filesAside(join(folder, 'never'))).toEqual([]);
    expect(await clearAside(join(folder, 'never'), { before: NOW })).toEqual([]);
  });

  it('go when webhooks of their time go', async () => {
    expect((await clearAside(folder, { before: before(30) })).map(({ name }) => name)).toEqual([
      '0000000001.journal.damaged',
    ]);
    expect(await left()).toEqual(['0000000002.journal.damaged', '0000000003.journal.damaged', '0000000004.journal']);
    expect(await clearAside(folder, { before: before(30) })).toEqual([]);
  });

  it('go where they are more than may be, the oldest first', async () => {
    const gone = await clearAside(folder, { before: before(365), mostBytes: 2_500 });
    expect(gone.map(({ name }) => name)).toEqual(['0000000001.journal.damaged']);
    expect(await left()).toHaveLength(3);
  });
});
