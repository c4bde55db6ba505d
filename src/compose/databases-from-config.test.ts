import { describe, expect, it } from 'vitest';
import { Config } from '../config/schema.ts';
import { heavyTimes, nextDatabaseWindow, openDatabaseWindow } from './databases-from-config.ts';
import { nextInstant } from '../engine/instants.ts';
import { workflows } from '../workflows/index.ts';

const config = (windows: object[]): Config => Config.parse({ databases: { windows } });
const open = (windows: object[], at: string): string[] => {
  const found = openDatabaseWindow(config(windows), new Date(at), nextInstant);
  return found ? [found.from.toISOString(), found.until.toISOString()] : [];
};

describe('windows in which databases may be locked', () => {
  const berlin = { cron: '0 3 * * 3', zone: 'Europe/Berlin', for: '2h' };

  it('are open from their time on for as long as they last, in their own zone', () => {
    const all = ['2026-12-02T02:00:00.000Z', '2026-12-02T04:00:00.000Z'];
    expect(open([berlin], '2026-12-02T01:59:59Z')).toEqual([]);
    expect(open([berlin], '2026-12-02T02:00:00Z')).toEqual(all);
    expect(open([berlin], '2026-12-02T03:59:59Z')).toEqual(all);
    expect(open([berlin], '2026-12-02T04:00:00Z')).toEqual([]);
    expect(open([], '2026-12-02T02:00:00Z')).toEqual([]);
  });

  it('have a next one, the earliest of all, unless there are none', () => {
    const at = new Date('2026-12-02T05:00:00Z');
    const daily = { onCalendar: '*-*-* 06:00', for: '1h' };
    expect(nextDatabaseWindow(config([berlin, daily]), at, nextInstant)).toEqual(new Date('2026-12-02T06:00:00Z'));
    expect(nextDatabaseWindow(config([berlin]), at, nextInstant)).toEqual(new Date('2026-12-09T02:00:00Z'));
    expect(nextDatabaseWindow(config([]), at, nextInstant)).toBeUndefined();
  });

  it('are met by the shipped schedule by default, and by no other schedule of Steward', () => {
    const times = heavyTimes(workflows());
    expect(times.map(({ cron }) => cron)).toEqual(['0 0 * * 0']);
    const [sunday] = times.flatMap((schedule) => nextInstant(schedule, new Date('2026-12-02T05:00:00Z')) ?? []);
    expect(openDatabaseWindow(Config.parse({}), sunday ?? new Date(0), nextInstant)?.from).toEqual(sunday);
  });
});
