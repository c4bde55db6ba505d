import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Schedule, type ScheduleInput } from '../core/schedule.ts';
import { dueInstants, jitterOf, nextInstant, nextInstants, readSchedule } from './instants.ts';

const parse = (input: ScheduleInput) => Schedule.parse(input);
const at = (text: string) => new Date(text);
const texts = (dates: readonly Date[]) => dates.map((date) => date.toISOString());

describe('instants of a schedule', () => {
  it('aligns an interval to midnight UTC', () => {
    expect(texts(nextInstants(parse({ every: '6h' }), at('2026-05-05T05:13:00Z'), 3))).toEqual([
      '2026-05-05T06:00:00.000Z',
      '2026-05-05T12:00:00.000Z',
      '2026-05-05T18:00:00.000Z',
    ]);
    expect(nextInstant(parse({ every: '1d' }), at('2026-05-05T00:00:00Z'))?.toISOString()).toBe(
      '2026-05-06T00:00:00.000Z',
    );
  });

  it('gives a local time that clocks skip once, and the next day again at its time', () => {
    // Berlin goes from 02:00 to 03:00 on 29 March 2026.
    const found = nextInstants(parse({ cron: '30 2 * * *', zone: 'Europe/Berlin' }), at('2026-03-28T12:00:00Z'), 2);
    expect(found).toHaveLength(2);
    expect(found[0]?.toISOString().slice(0, 10)).toBe('2026-03-29');
    expect(found[1]?.toISOString()).toBe('2026-03-30T00:30:00.000Z');
  });

  it('gives a local time that clocks repeat once', () => {
    // Berlin goes from 03:00 back to 02:00 on 25 October 2026, so 02:30 comes twice.
    const found = nextInstants(parse({ cron: '30 2 * * *', zone: 'Europe/Berlin' }), at('2026-10-24T12:00:00Z'), 2);
    expect(texts(found)).toEqual(['2026-10-25T00:30:00.000Z', '2026-10-26T01:30:00.000Z']);
  });

  it('keeps an hourly schedule hourly while clocks change', () => {
    const found = nextInstants(parse({ cron: '0 * * * *', zone: 'Europe/Berlin' }), at('2026-10-24T22:30:00Z'), 6);
    expect(
      found.map((date, index) => (index === 0 ? 3_600_000 : date.getTime() - (found[index - 1]?.getTime() ?? 0))),
    ).toEqual(Array.from({ length: 6 }, () => 3_600_000));
  });

  it('is always later than what it is asked after, and never repeats', () => {
    fc.assert(
      fc.property(
        fc.constantFrom<ScheduleInput>(
          { cron: '30 2 * * *', zone: 'Europe/Berlin' },
          { cron: '*/7 1-3 * * *', zone: 'America/New_York' },
          { every: '7m' },
          { cron: '15 10 0 1 * *' },
        ),
        fc.date({ min: at('2025-01-01'), max: at('2028-01-01'), noInvalidDate: true }),
        (schedule, from) => {
          const found = nextInstants(parse(schedule), from, 4);
          return found.every((date, index) => date.getTime() > (found[index - 1] ?? from).getTime());
        },
      ),
      { numRuns: 60 },
    );
  });

  it('refuses what cannot be read or never comes', () => {
    const now = at('2026-01-01T00:00:00Z');
    for (const bad of [
      { cron: '61 * * * *' },
      { cron: '0 0 30 2 *' },
      { cron: '* * * * *', zone: 'Mars/Olympus' },
      {},
      { cron: '* * * * *', every: '1m' },
      { every: '10ms' },
      { onCalendar: '*-02-30' },
      { onCalendar: '2020-*-*' },
      { onCalendar: '*:0:0/0.5' },
      { onCalendar: 'hourly UTC', every: '1h' },
      { onCalendar: '10:00 UTC', zone: 'Europe/Berlin' },
    ]) {
      expect(() => readSchedule(bad, now), JSON.stringify(bad)).toThrow(
        expect.objectContaining({ code: 'CONFIG_INVALID' }),
      );
    }
    expect(() => readSchedule({ cron: '0 3 * * 1' }, now)).not.toThrow();
  });
});

describe('what is due', () => {
  const hourly = (catchUp: 'skip' | 'latest' | 'all') => parse({ every: '1h', catchUp });
  const from = at('2026-05-05T00:10:00Z');
  const to = at('2026-05-05T04:30:00Z');

  it('is nothing of what was missed, the last of it, or all of it', () => {
    expect(texts(dueInstants(hourly('skip'), from, to, 60_000).start)).toEqual([]);
    expect(texts(dueInstants(hourly('latest'), from, to, 60_000).start)).toEqual(['2026-05-05T04:00:00.000Z']);
    expect(texts(dueInstants(hourly('all'), from, to, 60_000).start)).toEqual([
      '2026-05-05T01:00:00.000Z',
      '2026-05-05T02:00:00.000Z',
      '2026-05-05T03:00:00.000Z',
      '2026-05-05T04:00:00.000Z',
    ]);
  });

  it('is what came just now, whatever becomes of missed ones', () => {
    for (const catchUp of ['skip', 'latest', 'all'] as const) {
      expect(
        texts(dueInstants(hourly(catchUp), at('2026-05-05T03:59:59Z'), at('2026-05-05T04:00:01Z'), 60_000).start),
      ).toEqual(['2026-05-05T04:00:00.000Z']);
    }
  });

  it('is spread by the same jitter on every node', () => {
    const spread = parse({ every: '1h', jitter: '10m' });
    const instant = at('2026-05-05T04:00:00Z');
    expect(jitterOf(spread, 'a', instant)).toBe(jitterOf(spread, 'a', instant));
    expect(jitterOf(spread, 'a', instant)).toBeLessThan(600_000);
    expect(jitterOf(spread, 'a', instant)).not.toBe(jitterOf(spread, 'b', instant));
  });
});
