import { describe, expect, it } from 'vitest';
import { Schedule, type ScheduleInput } from '../core/schedule.ts';
import { collisionsOf, type Occupant, weekPicture } from './collisions.ts';
import { weekOf } from './operations-week.ts';
import { preview } from './preview.ts';
import { simulate } from './simulate.ts';

const from = new Date('2027-01-01T00:00:00Z');
const occupant = (id: string, schedule: ScheduleInput, more: Partial<Occupant> = {}): Occupant => ({
  id,
  schedule: Schedule.parse(schedule),
  load: 'io',
  durationMs: 3_600_000,
  measured: true,
  ...more,
});

describe('the preview of a schedule', () => {
  it('shows its next times here and there, and what the setting of clocks does to it', () => {
    const shown = preview({ cron: '30 2 * * *', zone: 'America/New_York' }, { from, count: 2 });
    expect(shown.next).toEqual([
      { utc: '2027-01-01T07:30:00.000Z', local: 'Fri 2027-01-01 02:30:00 -05:00' },
      { utc: '2027-01-02T07:30:00.000Z', local: 'Sat 2027-01-02 02:30:00 -05:00' },
    ]);
    expect(shown.remarks).toEqual([
      '02:30 does not exist on 2027-03-14 in America/New_York: it comes right after the gap, at 2027-03-14T07:00:00.000Z.',
    ]);
    const remarks = (input: ScheduleInput) => preview(input, { from, count: 1 }).remarks;
    expect(remarks({ cron: '30 1 * * *', zone: 'America/New_York' })).toEqual([
      '01:30 happens twice on 2027-11-07 in America/New_York: it comes the first time only, at 2027-11-07T05:30:00.000Z.',
    ]);
    expect(remarks({ cron: '*/30 1 * * *', zone: 'America/New_York' })).toEqual([
      '01:00, 01:30 happens twice on 2027-11-07 in America/New_York: it comes both times, because it is a rhythm.',
    ]);
    expect(remarks({ onCalendar: '02:30 America/New_York' })).toEqual([
      '02:30 does not exist on 2027-03-14 in America/New_York: it is left out, and comes next at 2027-03-15T06:30:00.000Z.',
    ]);
    expect(remarks({ every: '30m' })).toEqual([]);
    expect(preview({ onCalendar: 'weekly' }, { from, count: 1 })).toMatchObject({
      normal: 'Mon *-*-* 00:00:00',
      zone: 'UTC',
    });
  });
});

describe('what a schedule meets', () => {
  const all = [
    occupant('a:0', { cron: '0 3 * * *' }),
    occupant('b:0', { cron: '30 3 * * SUN' }),
    occupant('c:0', { cron: '0 3 * * *' }, { load: 'cpu' }),
    occupant('d:0', { cron: '0 12 * * *' }, { load: 'light', durationMs: 1_000 }),
  ];

  it('is the other heavy one of its kind, counted over the time asked about', () => {
    expect(collisionsOf(all, from, new Date('2027-01-29T00:00:00Z'))).toEqual([
      { one: 'a:0', other: 'b:0', load: 'io', times: 4, first: new Date('2027-01-03T03:30:00Z'), longestMs: 1_800_000 },
    ]);
  });

  it('is listed day by day for a week, and what comes too often to be read is counted', () => {
    const often = occupant('e:0', { every: '5m' }, { load: 'light', durationMs: 1_000 });
    const week = weekOf([...all, often], from, 7);
    expect(week.collisions).toEqual([
      {
        one: 'a:0',
        other: 'b:0',
        load: 'io',
        from: new Date('2027-01-03T03:30:00Z'),
        to: new Date('2027-01-03T04:00:00Z'),
      },
    ]);
    expect(week.more).toBe(false);
    expect(week.items.map(({ id, times, begins }) => [id, times, begins.length])).toEqual([
      ['a:0', 7, 7],
      ['b:0', 1, 1],
      ['c:0', 7, 7],
      ['d:0', 7, 7],
      ['e:0', 2016, 0],
    ]);
    expect(week.items[1]?.begins).toEqual([new Date('2027-01-03T03:30:00Z')]);
  });

  it('can be read off a picture of the week', () => {
    const week = weekPicture(
      all.filter(({ id }) => id !== 'c:0'),
      from,
    );
    expect(week[1]).toBe(`Fri 01 Jan  ${'.'.repeat(6)}ii${'.'.repeat(16)}-${'.'.repeat(23)}`);
    expect(week[3]).toBe(`Sun 03 Jan  ${'.'.repeat(6)}iIi${'.'.repeat(15)}-${'.'.repeat(23)}`);
    expect(week).toHaveLength(9);
  });
});

describe('a simulated year', () => {
  const to = new Date('2027-01-11T00:00:00Z');
  const down = [{ from: new Date('2027-01-05T00:00:30Z'), to: new Date('2027-01-06T00:00:30Z') }];

  it('counts what is late, missed or left out, by the policies of the schedule', () => {
    const hourly = (more: Partial<ScheduleInput>, durationMs = 60_000) =>
      simulate(occupant('a:0', { cron: '30 * * * *', ...more }, { durationMs }), from, to, down);
    expect(hourly({})).toMatchObject({ due: 240, started: 216, late: 0, missed: 24, overlapped: 0 });
    expect(hourly({ catchUp: 'latest' })).toMatchObject({ due: 240, started: 217, late: 1, missed: 23 });
    expect(hourly({ catchUp: 'all', overlap: 'queue' })).toMatchObject({ due: 240, started: 240, late: 24, missed: 0 });
    expect(hourly({}, 90 * 60_000)).toMatchObject({ started: 108, overlapped: 108 });
  });
});
