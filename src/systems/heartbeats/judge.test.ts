import { Cron } from 'croner';
import { describe, expect, it } from 'vitest';
import type { NextInstant } from '../../core/maintenance.ts';
import { Schedule } from '../../core/schedule.ts';
import { type HeartbeatFacts, judge, mayHaveMissed } from './judge.ts';

const next: NextInstant = ({ cron = '', zone }, after) =>
  new Cron(cron, { timezone: zone, paused: true }).nextRun(after) ?? undefined;
const noon = new Date('2026-03-01T12:00:00Z');
const at = (minutes: number): Date => new Date(noon.getTime() + minutes * 60_000);
const facts = (more: Partial<HeartbeatFacts> = {}): HeartbeatFacts => ({
  name: 'nightly',
  schedule: Schedule.parse({ every: '1h' }),
  graceMs: 10 * 60_000,
  maxRunMs: undefined,
  createdAt: at(-600),
  pausedAt: undefined,
  anchorAt: noon,
  excused: false,
  lastSignal: 'success',
  lastPingAt: noon,
  lastExitCode: undefined,
  startedAt: undefined,
  tooSoon: false,
  ...more,
});
const states = (given: HeartbeatFacts, ...minutes: number[]): string[] =>
  minutes.map((minute) => judge(given, at(minute), next).state);

describe('a job', () => {
  it('is up until it is due, late until its grace is over, and down from then on', () => {
    expect(states(facts(), 0, 60, 61, 70, 71)).toEqual(['up', 'up', 'late', 'late', 'down']);
  });

  it('is waited for until its first ping is overdue, because one that never ran is as bad as one that ceased to', () => {
    const never = facts({ createdAt: noon, anchorAt: undefined, lastSignal: undefined, lastPingAt: undefined });
    expect(states(never, 1, 69, 71)).toEqual(['waiting', 'waiting', 'down']);
  });

  it('that failed is down at once, with its exit code, until it goes well', () => {
    const failed = judge(facts({ lastSignal: 'fail', lastExitCode: 3 }), at(1), next);
    expect(failed).toMatchObject({ state: 'down', message: expect.stringContaining('exit code 3') });
  });

  it('that runs is given its time and no more', () => {
    const runs = facts({ startedAt: noon, maxRunMs: 30 * 60_000 });
    expect(states(runs, 1, 30, 31)).toEqual(['started', 'started', 'down']);
    expect(states(facts({ startedAt: noon }), 10, 11)).toEqual(['started', 'down']);
  });

  it('by cron times is due at the next of them, in its zone, across a change to daylight saving', () => {
    const berlin = facts({
      schedule: Schedule.parse({ cron: '30 3 * * *', zone: 'Europe/Berlin' }),
      anchorAt: new Date('2026-03-28T02:31:00Z'),
      lastPingAt: new Date('2026-03-28T02:31:00Z'),
    });
    expect(judge(berlin, new Date('2026-03-28T03:00:00Z'), next).dueAt).toEqual(new Date('2026-03-29T01:30:00Z'));
    // A clock that is some seconds ahead does not make today's ping yesterday's.
    const early = { ...berlin, anchorAt: new Date('2026-03-28T02:29:40Z') };
    expect(judge(early, new Date('2026-03-28T03:00:00Z'), next).dueAt).toEqual(new Date('2026-03-29T01:30:00Z'));
  });

  it('whose last ping is from the future, because the clock was set back, is waited for from now on', () => {
    expect(judge(facts({ anchorAt: at(600) }), noon, next).dueAt).toEqual(at(60));
  });

  it('is told from one that ran too soon, and from one that is paused', () => {
    expect(states(facts({ tooSoon: true }), 1)).toEqual(['too-often']);
    expect(states(facts({ pausedAt: noon, lastSignal: 'fail' }), 600)).toEqual(['paused']);
  });
});

describe('a ping that nobody could hear', () => {
  const missed = (from: number, until: number, more: Partial<HeartbeatFacts> = {}): boolean =>
    mayHaveMissed(facts(more), { from: at(from), until: at(until) }, next);

  it('may have come where it was due, or would still have been waited for', () => {
    expect(missed(10, 20)).toBe(false);
    expect(missed(50, 65)).toBe(true);
    expect(missed(65, 300)).toBe(true);
    // It was down before; that stays.
    expect(missed(80, 90)).toBe(false);
  });

  it('may have been the end of a run', () => {
    expect(missed(5, 8, { startedAt: noon })).toBe(true);
  });
});
