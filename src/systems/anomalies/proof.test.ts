import { describe, expect, it } from 'vitest';
import { median, quantile } from '../../core/anomaly/robust.ts';
import { madeTrace } from '../../testing/traces/made.ts';
import { FAULTS, type Fault, plantFaults } from '../../testing/traces/plant.ts';
import { recordedTrace } from '../../testing/traces/recorded.ts';
import { type Alarms, type Score, scoreOf } from '../../testing/traces/score.ts';
import { SLOT_MS, type Trace, WEEK_SLOTS } from '../../testing/traces/trace.ts';
import { tracePort } from '../../testing/traces/trace-port.ts';
import { createAnomalyWatch } from './watch.ts';

/** Looked at every quarter of an hour here, so that it takes seconds; Steward itself looks three times as often. */
const EVERY_SLOTS = 3;
const FIRST_FAULT_WEEK = 3;
/** Of which nothing was looked at while numbers of the detector were chosen. */
const UNSEEN = { recorded: 2_001, made: [9_001, 9_002] };
const FALSE_ALARMS_AT_MOST = 0.1;
const PLAIN = [0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.1, 1.2, 1.35, 1.5, 1.75, 2, 2.5, 3, 4];
const LINE_OF_HISTORY = 0.99;

async function alarmsOf(trace: Trace): Promise<Alarms[]> {
  const alarms = trace.series.map(() => Array.from({ length: trace.slots }, () => false));
  const indexOf = new Map(trace.series.map(({ metric, key }, index) => [`${metric}:${key}`, index]));
  const watch = createAnomalyWatch(tracePort(trace));
  for (let slot = WEEK_SLOTS; slot < trace.slots; slot += EVERY_SLOTS) {
    const judged = await watch.look(new Date(trace.from + (slot + 1) * SLOT_MS));
    for (const { metric, key, kind } of judged)
      if (kind !== undefined) alarms[indexOf.get(`${metric}:${key}`) ?? -1]?.fill(true, slot, slot + EVERY_SLOTS);
  }
  return alarms;
}

/** One line for each series, so many times what it hardly ever exceeded in three weeks, and a quarter of an hour above it. */
function plainAlarms({ series }: Trace, times: number): Alarms[] {
  return series.map(({ values }) => {
    const middles = Array.from(values, (_, slot) =>
      median([...values.subarray(Math.max(0, slot - 2), slot + 1)].filter((value) => !Number.isNaN(value))),
    );
    const history = middles.slice(0, FIRST_FAULT_WEEK * WEEK_SLOTS).filter((value) => value !== undefined);
    const line = (quantile(history, LINE_OF_HISTORY) ?? Infinity) * times;
    return middles.map((value) => value !== undefined && value > line);
  });
}

const rate = ({ falseAlarms, seriesWeeks }: Score): number => falseAlarms / seriesWeeks;
const share = ({ byFault }: Score, faults: readonly Fault[]): number => {
  const sum = (of: 'found' | 'planted'): number => faults.reduce((total, fault) => total + byFault[fault][of], 0);
  return sum('found') / sum('planted');
};
/** A line sees no silence; that is no merit of ours. */
const SEEN_BY_LINES = FAULTS.filter((fault) => fault !== 'silence');

function printed(name: string, score: Score): string {
  const faults = FAULTS.map((fault) => {
    const { found, planted, medianDelayMinutes } = score.byFault[fault];
    const delay = medianDelayMinutes === undefined ? '' : ` after ${medianDelayMinutes} min`;
    return `${fault} ${found} of ${planted}${delay}`;
  });
  return `${name}: ${faults.join(', ')}; ${score.falseAlarms} false alarms, ${rate(score).toFixed(3)} a series and week`;
}

const traces = [
  { base: recordedTrace(), seed: UNSEEN.recorded },
  ...UNSEEN.made.map((seed) => ({ base: madeTrace(seed, 8), seed: seed + 500 })),
];

/** Of several traces as if they were one. */
function together(scores: readonly Score[]): Score {
  const sum = (of: (score: Score) => number): number => scores.reduce((total, score) => total + of(score), 0);
  const byFault = Object.fromEntries(
    FAULTS.map((fault) => [
      fault,
      {
        planted: sum((score) => score.byFault[fault].planted),
        found: sum((score) => score.byFault[fault].found),
        medianDelayMinutes: median(scores.flatMap((score) => score.byFault[fault].medianDelayMinutes ?? [])),
      },
    ]),
  ) as Score['byFault'];
  return { byFault, falseAlarms: sum((score) => score.falseAlarms), seriesWeeks: sum((score) => score.seriesWeeks) };
}

async function play({ base, seed }: (typeof traces)[number]): Promise<{ own: Score; plain: Score }> {
  const { trace, planted } = plantFaults(base, seed, FIRST_FAULT_WEEK);
  const own = scoreOf(trace, planted, await alarmsOf(trace), WEEK_SLOTS);
  // Chosen afterwards, with all that is known of this trace: no operator could do better with one number.
  const allowed = Math.max(rate(own), FALSE_ALARMS_AT_MOST);
  const plain = PLAIN.map((times) => scoreOf(trace, planted, plainAlarms(trace, times), WEEK_SLOTS))
    .filter((line) => rate(line) <= allowed)
    .reduce((one, other) => (share(other, SEEN_BY_LINES) > share(one, SEEN_BY_LINES) ? other : one));
  process.stdout.write(`${printed(base.name, own)}\n${printed('  best plain threshold', plain)}\n`);
  return { own, plain };
}

describe('faults planted into a recorded trace and into made ones', () => {
  it('are found with few false alarms, and more of them than by plain thresholds', { timeout: 400_000 }, async () => {
    const played = [];
    for (const trace of traces) played.push(await play(trace));
    const own = together(played.map((each) => each.own));
    const plain = together(played.map((each) => each.plain));
    process.stdout.write(`${printed('all', own)}\n${printed('  best plain thresholds', plain)}\n`);

    expect(share(own, FAULTS)).toBeGreaterThanOrEqual(0.9);
    for (const fault of FAULTS) expect(share(own, [fault]), fault).toBeGreaterThanOrEqual(0.85);
    expect(rate(own)).toBeLessThanOrEqual(FALSE_ALARMS_AT_MOST);
    expect(share(own, SEEN_BY_LINES)).toBeGreaterThan(share(plain, SEEN_BY_LINES));
    for (const each of played) expect(share(each.own, FAULTS)).toBeGreaterThanOrEqual(0.8);
  });
});
