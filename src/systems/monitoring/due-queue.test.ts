import fc from 'fast-check';
import { expect, it } from 'vitest';
import { DueQueue } from './due-queue.ts';

it('gives what is due, soonest first, and keeps the rest', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 1_000 })),
      fc.array(fc.integer({ min: 0, max: 1_000 }), { maxLength: 10 }),
      (times, moments) => {
        const queue = new DueQueue<number>();
        for (const time of times) queue.add(time, time);
        let left = times.toSorted((a, b) => a - b);

        for (const moment of moments.toSorted((a, b) => a - b)) {
          expect(queue.take(moment)).toEqual(left.filter((time) => time <= moment));
          left = left.filter((time) => time > moment);
          expect(queue.nextAt).toBe(left[0]);
          expect(queue.size).toBe(left.length);
        }
      },
    ),
  );
});
