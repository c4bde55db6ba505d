import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { lastRecords } from './log-tail.ts';

let folder: TempFolder;
beforeAll(async () => (folder = await tempFolder('stw-tail')));
afterAll(() => folder.remove());

const numbers = (found: readonly unknown[]): number[] => found.map((each) => (each as { n: number }).n);

it('gives the last lines of several files, the latest first, wherever the pieces that are read begin', async () => {
  const sizes = fc.array(fc.integer({ min: 0, max: 90_000 }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(sizes, sizes, fc.integer({ min: 1, max: 20 }), async (older, newer, limit) => {
      const [old, current] = [join(folder.path, 'old.jsonl'), join(folder.path, 'current.jsonl')];
      const line = (size: number, n: number): string => `${JSON.stringify({ n, text: 'ü'.repeat(size / 2) })}\n`;
      await writeFile(old, older.map((size, at) => line(size, at)).join(''));
      await writeFile(current, newer.map((size, at) => line(size, 100 + at)).join(''));
      const all = [...older.keys(), ...newer.map((_size, at) => 100 + at)].toReversed();
      expect(numbers(await lastRecords([current, old], limit))).toEqual(all.slice(0, limit));
    }),
    { numRuns: 40 },
  );
});

it('reads a line that is longer than several pieces', async () => {
  const file = join(folder.path, 'long.jsonl');
  await writeFile(file, `{"n":1}\n${JSON.stringify({ n: 2, text: 'x'.repeat(700_000) })}\n{"n":3}\n`);
  expect(numbers(await lastRecords([file], 5))).toEqual([3, 2, 1]);
});

it('takes no line that was cut off, and misses no file that is gone', async () => {
  const file = join(folder.path, 'cut.jsonl');
  await writeFile(file, '{"n":1}\n{"n":2}\n{"n":3');
  expect(numbers(await lastRecords([join(folder.path, 'gone.jsonl'), file], 5))).toEqual([2, 1]);
});
