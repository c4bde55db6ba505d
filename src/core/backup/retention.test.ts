import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defined } from '../../testing/defined.ts';
import { type KeepableCopy, reasonsToKeep, Retention, retentionOf } from './retention.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const START = Date.parse('2026-01-01T00:00:00Z');
const rules = Retention.parse({});

const copy = (sequence: number, at: number, proven = true): KeepableCopy => ({
  id: `c${sequence}`,
  sequence,
  startedAt: new Date(at),
  proven,
});
const kept = (copies: readonly KeepableCopy[], now: number, by = rules): KeepableCopy[] => {
  const reasons = reasonsToKeep(copies, by, new Date(now));
  return copies.filter(({ id }) => (reasons.get(id) ?? []).length > 0);
};
const days = (copies: readonly KeepableCopy[]): string[] => copies.map(({ startedAt }) => startedAt.toISOString());

/** Lives through time as Steward does: copies are made, and what has no reason to stay goes. */
function live(
  instants: readonly { readonly at: number; readonly recorded?: number; readonly proven?: boolean }[],
  by = rules,
): KeepableCopy[] {
  let copies: KeepableCopy[] = [];
  for (const [index, { at, recorded = at, proven = true }] of instants.entries())
    copies = kept([...copies, copy(index + 1, recorded, proven)], at, by);
  return copies;
}
const every = (step: number, until: number, from = 0): { at: number }[] =>
  Array.from({ length: Math.ceil((until - from) / step) }, (_, index) => ({ at: START + from + index * step }));

describe('retention over two years', () => {
  it('keeps, of a copy every six hours, four a day for two days, thirty days and twelve months', () => {
    const left = live(every(6 * HOUR, 730 * DAY));
    const end = START + 730 * DAY - 6 * HOUR;
    const expected = new Set<string>();
    // The last two days: 18:00 back to 18:00 two days before, four a day.
    for (let at = end; at >= end - 2 * DAY; at -= 6 * HOUR) expected.add(new Date(at).toISOString());
    for (let day = 0; day < 30; day += 1) expected.add(new Date(end - day * DAY).toISOString());
    for (let month = 0; month < 12; month += 1) {
      const lastDay = new Date(Date.UTC(2027, 12 - month, 0, 18));
      expected.add(new Date(Math.min(lastDay.getTime(), end)).toISOString());
    }
    expect(days(left).toSorted()).toEqual([...expected].toSorted());
  });

  it('keeps, of a daily copy, thirty days and twelve months', () => {
    const left = live(every(DAY, 730 * DAY));
    expect(left.length).toBe(41);
  });

  it('keeps what was copied right before a restore for its time, though newer copies are proven, and no longer', () => {
    const at = (time: string): number => Date.parse(`2026-03-10T${time}Z`);
    const safety = { ...copy(2, at('07:00:00'), false), wayBack: true };
    const copies = [copy(1, at('06:00:00')), safety, copy(3, at('07:30:00')), copy(4, at('12:00:00'), false)];
    expect(kept(copies, at('12:05:00'))).toContain(safety);
    // A copy each day, up to so long after it.
    const later = (hours: number): KeepableCopy[] => [
      ...copies,
      ...Array.from({ length: Math.ceil(hours / 24) }, (_, day) =>
        copy(5 + day, at('07:00:00') + Math.min((day + 1) * DAY, hours * HOUR)),
      ),
    ];
    const left = (hours: number, by = rules) => kept(later(hours), at('07:05:00') + hours * HOUR, by);
    expect(left(7 * 24)).toContain(safety);
    expect(left(7 * 24 + 1)).not.toContain(safety);
    expect(left(3 * 24, Retention.parse({ safety: '2d' }))).not.toContain(safety);
    expect(left(3 * 24, defined(retentionOf('1d')))).toContain(safety);
  });

  it('keeps the last proven copy where only a way back is proven after it', () => {
    const old = copy(1, START);
    const back = { ...copy(2, START + 90 * DAY), wayBack: true };
    expect(kept([old, back, copy(3, START + 91 * DAY, false)], START + 92 * DAY, defined(retentionOf('1d')))).toContain(
      old,
    );
  });

  it('lets nothing go for a gap: a machine that was off for half a year still has its thirty days', () => {
    const left = live([...every(DAY, 200 * DAY), ...every(DAY, 402 * DAY, 400 * DAY)]);
    const before = left.filter(({ startedAt }) => startedAt.getTime() < START + 200 * DAY);
    expect(before.length).toBeGreaterThanOrEqual(28);
  });

  it('is not moved by copies that claim to come from the future, and they go in their time', () => {
    const ordinary = every(6 * HOUR, 100 * DAY);
    const hostile = ordinary.flatMap((instant, index) =>
      index % 40 === 7 ? [instant, { ...instant, recorded: START + 5_000 * DAY + index * HOUR }] : [instant],
    );
    const present = (copies: readonly KeepableCopy[]): string[] =>
      days(copies.filter(({ startedAt }) => startedAt.getTime() < START + 1_000 * DAY));
    expect(present(live(hostile))).toEqual(days(live(ordinary)));
  });

  it('goes by its own order where the clock jumped back: what was made last is the newest', () => {
    const copies = [copy(1, START + 10 * DAY), copy(2, START + 11 * DAY), copy(3, START + 2 * DAY, false)];
    expect(kept(copies, START + 2 * DAY, { ...rules, daily: 0, monthly: 0 }).map(({ id }) => id)).toContain('c3');
  });

  it('understands 30d as everything that is younger', () => {
    const left = live(every(6 * HOUR, 100 * DAY), retentionOf('30d'));
    expect(left).toHaveLength(30 * 4 + 1);
    expect(retentionOf('a month')).toBeUndefined();
  });

  it.each([
    ['30d', retentionOf('30d')],
    ['the default', rules],
  ])('lets nothing go for a clock that is ahead while copies are pruned: %s', (_, by) => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 400 }), fc.integer({ min: 1, max: 4_000 * DAY }), (count, jump) => {
        const copies = every(6 * HOUR, count * 6 * HOUR).map(({ at }, index) => copy(index + 1, at));
        const end = defined(copies.at(-1)).startedAt.getTime();
        expect(days(kept(copies, end + jump, by))).toEqual(days(kept(copies, end, by)));
      }),
      { numRuns: 100 },
    );
  });

  it('counts a clock that jumps ahead for good, or a machine that was off, as a day', () => {
    const before = every(6 * HOUR, 60 * DAY).map(({ at }, index) => copy(index + 1, at));
    const after = copy(before.length + 1, START + 460 * DAY);
    const left = kept([...before, after], START + 460 * DAY, retentionOf('30d'));
    expect(left).toHaveLength(1 + 29 * 4 + 1);
  });

  it('takes a copy a week at its word', () => {
    const left = live(every(7 * DAY, 365 * DAY), retentionOf('30d'));
    expect(left).toHaveLength(5);
  });

  it('keeps the last proven copy and all that came after it, whatever happens', () => {
    const instant = fc.record({
      gap: fc.oneof(fc.constant(6 * HOUR), fc.constant(DAY), fc.integer({ min: 1, max: 90 * DAY })),
      jump: fc.oneof(
        { weight: 8, arbitrary: fc.constant(0) },
        { weight: 1, arbitrary: fc.integer({ min: -400 * DAY, max: 4_000 * DAY }) },
      ),
      proven: fc.boolean(),
    });
    const anyRules = fc.record({
      within: fc.constantFrom('1h', '2d', '30d'),
      perDay: fc.integer({ min: 1, max: 24 }),
      daily: fc.integer({ min: 0, max: 40 }),
      weekly: fc.integer({ min: 0, max: 10 }),
      monthly: fc.integer({ min: 0, max: 14 }),
      safety: fc.constantFrom('1h', '7d'),
    });
    fc.assert(
      fc.property(fc.array(instant, { minLength: 1, maxLength: 80 }), anyRules, (instants, by) => {
        let copies: KeepableCopy[] = [];
        let lastProven = 0;
        let now = START;
        for (const [index, { gap, jump, proven }] of instants.entries()) {
          now += gap;
          if (proven) lastProven = index + 1;
          copies = kept([...copies, copy(index + 1, now + jump, proven)], now, by);
          const left = new Set(copies.map(({ sequence }) => sequence));
          for (let sequence = Math.max(lastProven, 1); sequence <= index + 1; sequence += 1)
            if (!left.has(sequence)) return false;
        }
        return true;
      }),
      { numRuns: 300 },
    );
  });

  it('keeps the last copy of which all is proven, though hundreds after it are so but for what could not be copied', () => {
    const partly = Array.from({ length: 200 }, (_, day) => ({
      ...copy(3 + day, START + (2 + day) * DAY),
      partly: true,
    }));
    const [older, whole] = [copy(1, START), copy(2, START + DAY)];
    const left = kept([older, whole, ...partly], START + 202 * DAY, defined(retentionOf('30d')));
    expect(left).toContain(whole);
    expect(left).not.toContain(older);
    expect(left).toHaveLength(1 + 31);
  });

  it('keeps everything that is young enough for 30d, also what was made a minute apart', () => {
    const now = new Date('2026-03-01T12:00:00Z');
    const older = Array.from({ length: 40 }, (_, days) => (40 - days) * 1_440);
    const copies = [...older, 3, 2, 1].map((minutes, index) => ({
      id: `cp_${minutes}`,
      sequence: index + 1,
      startedAt: new Date(now.getTime() - minutes * 60_000),
      proven: true,
    }));
    const kept = [...reasonsToKeep(copies, defined(retentionOf('30d')), now)].filter(([, why]) => why.length > 0);
    expect(kept.map(([id]) => id)).toEqual(
      [...older.filter((minutes) => minutes <= 30 * 1_440), 3, 2, 1].map((minutes) => `cp_${minutes}`),
    );
  });
});
