import { describe, expect, it } from 'vitest';
import type { Reclaimable, Rung } from '../../core/reclaim.ts';
import { ladder, missingBytes, TARGET } from './plan.ts';

const item = (rung: Rung, bytes: number): Reclaimable => ({
  id: `${rung} ${bytes}`,
  rung,
  what: { kind: 'cache', cache: '' },
  title: '',
  reason: '',
  device: 1,
  folder: '/',
  bytes,
});
const space = { device: 1, totalBytes: 110e9, usedBytes: 90e9, freeBytes: 10e9 };

describe('how much is missing', () => {
  it.each([
    ['80%', 10e9],
    ['90%', 0],
    ['95.5 %', 0],
    ['20GB', 10e9],
    ['5 GB', 0],
    ['10GiB', Math.ceil(10 * 2 ** 30 - 10e9)],
  ])('until %s', (target, bytes) => {
    expect(TARGET.test(target)).toBe(true);
    expect(missingBytes(target, space)).toBe(bytes);
  });

  it.each(['100%', '-1%', '20', 'GB', '1 PB', '80%x'])('refuses %s', (target) => {
    expect(TARGET.test(target)).toBe(false);
  });
});

describe('the ladder', () => {
  const items = [
    item('unused-images', 50),
    item('journal', 10),
    item('caches', 3),
    item('caches', 9),
    item('caches', 0),
  ];

  it.each([
    [0, []],
    [9, ['caches 9']],
    [10, ['caches 9', 'caches 3']],
    [13, ['caches 9', 'caches 3', 'journal 10']],
    [1_000, ['caches 9', 'caches 3', 'journal 10', 'unused-images 50']],
  ])('goes for %d only as far as it must', (needed, ids) => {
    expect(ladder(items, needed, 10).map(({ id }) => id)).toEqual(ids);
  });

  it('takes no more than one run may', () => {
    expect(ladder(items, 1_000, 2)).toHaveLength(2);
  });
});
