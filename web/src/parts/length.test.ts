import { describe, expect, it } from 'vitest';
import { lengthOf, sizeOf, tookOf } from './length.ts';

describe('a length of time', () => {
  it.each([
    [-5_000, '0 s'],
    [59_400, '59 s'],
    [60_000, '1 min'],
    [3_599_000, '59 min'],
    [47 * 3_600_000, '47 h'],
    [48 * 3_600_000, '2 days'],
  ])('of %d ms is %s', (ms, said) => expect(lengthOf(ms)).toBe(said));

  it.each([
    [0.42, '0.4 ms'],
    [51.3, '51 ms'],
    [1_440, '1.4 s'],
    [61_000, '1 min'],
  ])('that something took, %d ms, is %s', (ms, said) => expect(tookOf(ms)).toBe(said));
});

describe('a size', () => {
  it.each([
    [0, '0 B'],
    [1_023, '1023 B'],
    [1_536, '1.5 KiB'],
    [20 * 1_024 ** 2, '20 MiB'],
    [1_024 ** 6, '1024 PiB'],
  ])('of %d bytes is %s', (bytes, said) => expect(sizeOf(bytes)).toBe(said));
});
