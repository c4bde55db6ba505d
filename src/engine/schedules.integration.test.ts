import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ScheduleInput } from '../core/schedule.ts';
import { byTheClock, clockWorld } from '../testing/clock-world.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { engineMigrations } from './tables.ts';

const DAY_MS = 86_400_000;

/** Each day of (from, to], both in UTC, at this time of UTC. */
function daily(from: string, to: string, time: string): string[] {
  const days: string[] = [];
  for (let day = Date.parse(from); day <= Date.parse(to); day += DAY_MS)
    days.push(`${new Date(day).toISOString().slice(0, 10)}T${time}:00.000Z`);
  return days;
}

/** What each of them must start between 1 January 2027 and 1 March 2028, by the calendar on the wall of its zone. */
const CASES: readonly {
  readonly name: string;
  readonly schedule: ScheduleInput;
  readonly expected: readonly string[];
}[] = [
  {
    name: 'new_york_gap',
    schedule: { cron: '30 2 * * *', zone: 'America/New_York' },
    // 02:30 does not exist on 14 March: it comes right after the gap, at 03:00 EDT.
    expected: [
      ...daily('2027-01-01', '2027-03-13', '07:30'),
      '2027-03-14T07:00:00.000Z',
      ...daily('2027-03-15', '2027-11-06', '06:30'),
      ...daily('2027-11-07', '2028-02-29', '07:30'),
    ],
  },
  {
    name: 'new_york_overlap',
    schedule: { cron: '15,45 1 * * *', zone: 'America/New_York' },
    // 01:15 and 01:45 come twice on 7 November: the first time counts.
    expected: [
      ...['06:15', '06:45'].flatMap((time) => daily('2027-01-01', '2027-03-14', time)),
      ...['05:15', '05:45'].flatMap((time) => daily('2027-03-15', '2027-11-07', time)),
      ...['06:15', '06:45'].flatMap((time) => daily('2027-11-08', '2028-02-29', time)),
    ],
  },
  {
    name: 'new_york_rhythm',
    schedule: { cron: '*/30 0-2 7 11 *', zone: 'America/New_York' },
    // What is a rhythm goes on through the repeated hour.
    expected: ['04:00', '04:30', '05:00', '05:30', '06:00', '06:30', '07:00', '07:30'].map(
      (time) => `2027-11-07T${time}:00.000Z`,
    ),
  },
  {
    name: 'lord_howe',
    schedule: { cron: '15 2 * * *', zone: 'Australia/Lord_Howe' },
    // Half an hour: 02:15 does not exist on 3 October, and comes at 02:30.
    expected: [
      ...daily('2027-01-01', '2027-04-02', '15:15'),
      ...daily('2027-04-03', '2027-10-01', '15:45'),
      '2027-10-02T15:30:00.000Z',
      ...daily('2027-10-03', '2028-02-29', '15:15'),
    ],
  },
  {
    name: 'cairo_midnight',
    schedule: { cron: '0 0 * * *', zone: 'Africa/Cairo' },
    // 30 April has no midnight: it begins at 01:00, and that is when it comes.
    expected: [
      ...daily('2027-01-01', '2027-04-29', '22:00'),
      ...daily('2027-04-30', '2027-10-27', '21:00'),
      ...daily('2027-10-28', '2028-02-29', '22:00'),
    ],
  },
  { name: 'leap_day', schedule: { cron: '0 0 29 2 *' }, expected: ['2028-02-29T00:00:00.000Z'] },
  {
    name: 'last_day',
    schedule: { cron: '0 12 L * *' },
    expected: [
      ...[
        '01-31',
        '02-28',
        '03-31',
        '04-30',
        '05-31',
        '06-30',
        '07-31',
        '08-31',
        '09-30',
        '10-31',
        '11-30',
        '12-31',
      ].map((day) => `2027-${day}T12:00:00.000Z`),
      '2028-01-31T12:00:00.000Z',
      '2028-02-29T12:00:00.000Z',
    ],
  },
  {
    name: 'second_friday',
    schedule: { cron: '0 12 * * FRI#2' },
    expected: [
      ...[
        '01-08',
        '02-12',
        '03-12',
        '04-09',
        '05-14',
        '06-11',
        '07-09',
        '08-13',
        '09-10',
        '10-08',
        '11-12',
        '12-10',
      ].map((day) => `2027-${day}T12:00:00.000Z`),
      '2028-01-14T12:00:00.000Z',
      '2028-02-11T12:00:00.000Z',
    ],
  },
  {
    name: 'day_or_weekday',
    schedule: { cron: '0 12 13 1 FRI' },
    // Each Friday of January, and the 13th whichever day it is.
    expected: [
      '2027-01-01',
      '2027-01-08',
      '2027-01-13',
      '2027-01-15',
      '2027-01-22',
      '2027-01-29',
      '2028-01-07',
      '2028-01-13',
      '2028-01-14',
      '2028-01-21',
      '2028-01-28',
    ].map((day) => `${day}T12:00:00.000Z`),
  },
  {
    name: 'seconds',
    schedule: { cron: '*/20 0 12 1 */6 *' },
    expected: ['2027-01-01', '2027-07-01', '2028-01-01'].flatMap((day) =>
      ['00', '20', '40'].map((second) => `${day}T12:00:${second}.000Z`),
    ),
  },
  { name: 'never', schedule: { cron: '0 0 30 2 *' }, expected: [] },
  {
    name: 'systemd_gap',
    schedule: { onCalendar: '*-3-13..15 02:30 America/New_York' },
    // As systemd reads it: what does not exist does not come.
    expected: ['2027-03-13T07:30:00.000Z', '2027-03-15T06:30:00.000Z'],
  },
  {
    name: 'systemd_overlap',
    schedule: { onCalendar: '*-11-7 0..2:0/30 America/New_York' },
    // As systemd reads it: what is repeated comes the first time only.
    expected: ['04:00', '04:30', '05:00', '05:30', '07:00', '07:30'].map((time) => `2027-11-07T${time}:00.000Z`),
  },
  {
    name: 'systemd_last_monday',
    schedule: { onCalendar: 'Mon *-*~07/1 03:00:00 UTC' },
    expected: [
      ...[
        '01-25',
        '02-22',
        '03-29',
        '04-26',
        '05-31',
        '06-28',
        '07-26',
        '08-30',
        '09-27',
        '10-25',
        '11-29',
        '12-27',
      ].map((day) => `2027-${day}T03:00:00.000Z`),
      '2028-01-31T03:00:00.000Z',
      '2028-02-28T03:00:00.000Z',
    ],
  },
];

let database: TestDatabase;
beforeEach(async () => {
  database = await testDatabase({ migrations: engineMigrations });
}, 60_000);
afterEach(async () => {
  await database?.drop();
});

describe('the instants that really start something', () => {
  it('are exactly those of the calendar, through every change of the clocks of fourteen months', async () => {
    const world = clockWorld(new Date('2026-12-31T23:59:59Z'));
    const workflows = CASES.map(({ name, schedule }) => byTheClock(name, schedule));
    const node = world.node(database.store, workflows);
    await node.schedules.tick();
    await world.pass([node], '2028-03-01T00:00:00Z', database.store, DAY_MS);
    for (const { name, expected } of CASES)
      expect(await world.ran(database.store, name), name).toEqual(expected.toSorted());
    expect(node.log.lines.filter(({ message }) => message === 'schedule left out')).toMatchObject([
      { fields: { schedule: 'never:0' } },
    ]);
  }, 300_000);
});

describe('steward down for a day', () => {
  const hourly = (more: Partial<ScheduleInput>): ScheduleInput => ({ cron: '0 * * * *', ...more });
  const POLICIES = {
    skip: { catchUp: 'skip' },
    latest: { catchUp: 'latest' },
    all: { catchUp: 'all' },
    all_within: { catchUp: 'all', catchUpWithin: '6h' },
    all_most: { catchUp: 'all', catchUpMost: 5 },
    latest_within: { catchUp: 'latest', catchUpWithin: '5m' },
  } as const satisfies Record<string, Partial<ScheduleInput>>;

  it('makes up for what its policy says, and keeps count of the rest', async () => {
    const world = clockWorld(new Date('2026-05-05T05:30:00Z'));
    const workflows = Object.entries(POLICIES).map(([name, policy]) => byTheClock(name, hourly(policy)));
    const before = world.node(database.store, workflows);
    await before.schedules.tick();
    await world.pass([before], '2026-05-05T06:10:00Z', database.store);
    // A day later, another process: 24 instants passed, from 07:00 to 06:00.
    world.set('2026-05-06T06:10:00Z');
    const after = world.node(database.store, workflows);
    await after.schedules.tick();
    await after.schedules.tick();
    const counts: Record<string, number> = {};
    for (const name of Object.keys(POLICIES)) counts[name] = (await world.ran(database.store, name)).length - 1;
    expect(counts).toEqual({ skip: 0, latest: 1, all: 24, all_within: 6, all_most: 5, latest_within: 0 });
    const { rows } = await database.store.pool.query<{ schedule: string; count: number }>(
      "select schedule, sum(count)::int as count from schedule_firings where outcome = 'missed' group by schedule order by 1",
    );
    expect(Object.fromEntries(rows.map(({ schedule, count }) => [schedule, count]))).toEqual({
      'all_most:0': 19,
      'all_within:0': 18,
      'latest:0': 23,
      'latest_within:0': 24,
      'skip:0': 24,
    });
    // And goes on at its time.
    await world.pass([after], '2026-05-06T07:00:00Z', database.store);
    for (const name of Object.keys(POLICIES))
      expect((await world.ran(database.store, name)).at(-1), name).toBe('2026-05-06T07:00:00.000Z');
  }, 60_000);
});

describe('two nodes on one store', () => {
  it('start each instant once, whoever is killed between the decision and its beginning', async () => {
    const world = clockWorld(new Date('2026-03-01T00:00:01Z'));
    const policies = (['queue', 'skip', 'cancel-old'] as const).map((overlap) =>
      byTheClock(`with_${overlap.replace('-', '_')}`, { every: '30m', overlap, jitter: '20s' }),
    );
    const other = await database.openAnother();
    const stores = [database.store, other];
    const make = (index: number) => world.node(stores[index] ?? database.store, policies, { nodeId: `node_${index}` });
    const nodes = [make(0), make(1)];
    await Promise.all(nodes.map(({ schedules }) => schedules.tick()));
    let killed = 0;
    for (let half = 1; half <= 48 * 14; half += 1) {
      world.set(new Date(Date.parse('2026-03-01T00:00:00Z') + half * 30 * 60_000));
      const ticking = Promise.all(nodes.map(({ schedules }) => schedules.tick()));
      if (half % 7 === 0) {
        // As kill -9 does: its connections break wherever it stands, and what it had in memory is gone.
        await database.store.pool.query(
          "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and query ilike '%schedule%'",
        );
        killed += 1;
      }
      await ticking;
      if (half % 7 === 0) nodes[half % 2] = make(half % 2);
      world.set(new Date(Date.parse('2026-03-01T00:00:30Z') + half * 30 * 60_000));
      await Promise.all(nodes.map(({ schedules }) => schedules.tick()));
      await database.store.pool.query(
        "update workflow_executions set status = 'succeeded', finished_at = now() where finished_at is null",
      );
    }
    const expected = Array.from({ length: 48 * 14 }, (_, index) =>
      new Date(Date.parse('2026-03-01T00:30:00Z') + index * 30 * 60_000).toISOString(),
    );
    expect(killed).toBeGreaterThan(90);
    for (const { name } of policies) expect(await world.ran(database.store, name), name).toEqual(expected);
    const { rows } = await database.store.pool.query('select id from workflow_executions where cancel');
    expect(rows).toEqual([]);
  }, 300_000);
});

describe('a clock that is set', () => {
  it('forward and back again starts nothing twice, and loses nothing of what was still to come', async () => {
    const world = clockWorld(new Date('2026-05-05T00:00:30Z'));
    const workflows = (['skip', 'latest', 'all'] as const).map((catchUp) =>
      byTheClock(`ahead_${catchUp}`, { cron: '*/10 * * * *', catchUp }),
    );
    const node = world.node(database.store, workflows);
    await node.schedules.tick();
    await world.pass([node], '2026-05-05T01:00:00Z', database.store);
    world.set('2026-05-05T04:05:00Z');
    await node.schedules.tick();
    world.set('2026-05-05T01:02:00Z');
    await world.pass([node], '2026-05-05T01:02:01Z', database.store);
    await world.pass([node], '2026-05-05T06:00:00Z', database.store);
    const expected = Array.from({ length: 36 }, (_, index) =>
      new Date(Date.parse('2026-05-05T00:10:00Z') + index * 600_000).toISOString(),
    );
    for (const { name } of workflows) expect(await world.ran(database.store, name), name).toEqual(expected);
    expect(node.log.lines.some(({ message }) => message === 'the clock was set back')).toBe(true);
  }, 60_000);
});

describe('an instant at which the last run still works', () => {
  it('is left out, waits or ends the old one, whoever started that and whatever it waits for', async () => {
    const world = clockWorld(new Date('2026-05-05T00:00:30Z'));
    const workflows = (['skip', 'queue', 'cancel-old'] as const).map((overlap) =>
      byTheClock(`over_${overlap.replace('-', '_')}`, { every: '1h', overlap }),
    );
    const first = world.node(database.store, workflows);
    await first.schedules.tick();
    world.set('2026-05-05T01:00:00Z');
    await first.schedules.tick();
    // Steward restarts; the runs are taken over by another node and one waits for a person: they are not over.
    await database.store.pool.query("update workflow_executions set node = 'node_b', epoch = epoch + 1");
    const second = world.node(database.store, workflows, { nodeId: 'node_b' });
    world.set('2026-05-05T02:00:00Z');
    await second.schedules.tick();
    const { rows } = await database.store.pool.query<{ workflow: string; at: string; cancel: boolean }>(
      "select workflow, context->>'scheduledFor' as at, cancel from workflow_executions order by workflow, 2",
    );
    expect(
      rows.map(({ workflow, at, cancel }) => `${workflow} ${at.slice(11, 16)}${cancel ? ' canceled' : ''}`),
    ).toEqual([
      'over_cancel_old 01:00 canceled',
      'over_cancel_old 02:00',
      'over_queue 01:00',
      'over_queue 02:00',
      'over_skip 01:00',
    ]);
    const { rows: left } = await database.store.pool.query(
      "select schedule, outcome from schedule_firings where outcome <> 'fired'",
    );
    expect(left).toEqual([{ schedule: 'over_skip:0', outcome: 'overlap' }]);
  }, 60_000);
});
