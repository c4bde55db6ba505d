import fc from 'fast-check';
import { expect, it } from 'vitest';
import { memoryCounted } from './counted.ts';

const one = { key: 'bank', id: 'one', windowMs: 1_000 };

it('knows what was counted within its window, by its key', () => {
  const counted = memoryCounted();
  expect(counted.has({ ...one, now: 0 })).toBe(false);
  counted.add({ ...one, now: 0 });
  expect(counted.has({ ...one, key: 'other', now: 0 })).toBe(false);
  expect(counted.has({ ...one, now: 999 })).toBe(true);
  expect(counted.has({ ...one, now: 3_000 })).toBe(false);
});

it('knows it whenever it was counted within the window before, and forgets it after three', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(400), fc.nat(20)), { maxLength: 60 }), (steps) => {
      const counted = memoryCounted();
      const at = new Map<number, number>();
      let now = 5_000;
      for (const [later, id] of steps) {
        now += later;
        const of = { ...one, id: String(id), now };
        const before = now - (at.get(id) ?? -Infinity);
        const has = counted.has(of);
        if (before < one.windowMs) expect(has).toBe(true);
        if (before > 3 * one.windowMs) expect(has).toBe(false);
        if (has) continue;
        counted.add(of);
        at.set(id, now);
      }
    }),
  );
});

it('keeps the last ones of ids without end, and no more than it may', () => {
  const counted = memoryCounted(100);
  const of = (id: number) => ({ ...one, id: String(id), now: 0 });
  for (let id = 0; id < 1_000; id += 1) counted.add(of(id));
  const known = Array.from({ length: 1_000 }, (_, id) => id).filter((id) => counted.has(of(id)));
  expect(known.length).toBeLessThanOrEqual(100);
  expect(known).toEqual(expect.arrayContaining(Array.from({ length: 50 }, (_, at) => 950 + at)));
});
