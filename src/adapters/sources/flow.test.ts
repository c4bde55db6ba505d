import { describe, expect, it } from 'vitest';
import { letGo } from './flow.ts';

describe('a piece that is let go', () => {
  it('gives its memory back where it has all of it, or the end of what is large', () => {
    const whole = Buffer.allocUnsafeSlow(65_536);
    const large = Buffer.allocUnsafeSlow(1024 ** 2);
    const end = large.subarray(1_000);
    for (const piece of [whole, end]) letGo(piece);
    expect([whole.buffer.byteLength, end.buffer.byteLength]).toEqual([0, 0]);
  });

  it('keeps what others still look at: the beginning of a piece, and the pool of small ones', () => {
    const large = Buffer.allocUnsafeSlow(1024 ** 2).fill(1);
    letGo(large.subarray(0, 1_000));
    expect(large.at(-1)).toBe(1);
    // However many there are, one of them ends where their pool does.
    const small = Array.from({ length: 64 }, () => Buffer.allocUnsafe(4_096).fill(2));
    for (const piece of small) letGo(piece);
    expect(small.every((piece) => piece.length === 4_096 && piece.at(-1) === 2)).toBe(true);
  });
});
