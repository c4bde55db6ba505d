import { expect, it } from 'vitest';
import { judgeValidity, renewBefore } from './certificate.ts';

const DAY_MS = 86_400_000;

it.each([
  [398, 30],
  [90, 30],
  [64, 64 / 3],
  [45, 15],
  [10, 10 / 3],
  [9, 4.5],
  [6, 3],
])('of a certificate of %d days the last %d are too few', (lifetime, days) => {
  expect(renewBefore(lifetime * DAY_MS) / DAY_MS).toBeCloseTo(days);
});

it('never calls a fresh one due, however short it lives', () => {
  for (let days = 1; days <= 400; days += 1) {
    const from = new Date('2026-11-01T00:00:00Z');
    const to = new Date(from.getTime() + days * DAY_MS);
    expect(judgeValidity({ from, to }, {}, new Date(from.getTime() + 1_000)).state).toBe('up');
  }
});

it('is down before its time, and where its end cannot be read', () => {
  const at = new Date('2026-11-29T00:00:00Z');
  const [from, to] = [new Date('2026-12-01'), new Date('2027-03-01')];
  expect(judgeValidity({ from, to }, {}, at)).toMatchObject({
    state: 'down',
    message: expect.stringContaining('2026-12-01'),
  });
  expect(judgeValidity({ from, to: new Date('never') }, {}, at)).toMatchObject({ state: 'down' });
});
