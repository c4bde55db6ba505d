import { FAULTS, type Fault, type Planted } from './plant.ts';
import { SLOT_MS, type Trace, WEEK_SLOTS } from './trace.ts';

/** Alarms of one series: at the end of which slots something was wrong. */
export type Alarms = readonly boolean[];

export interface Score {
  readonly byFault: Readonly<
    Record<Fault, { readonly planted: number; readonly found: number; readonly medianDelayMinutes: number | undefined }>
  >;
  readonly falseAlarms: number;
  readonly seriesWeeks: number;
}

const HOUR_SLOTS = 12;
/** What is found so long after a fault ended is still found because of it, and no false alarm. */
const AFTER_SLOTS = 3 * HOUR_SLOTS;
/** Alarms with less than this between them are one. */
const APART_SLOTS = HOUR_SLOTS;

/** What of the planted was found while it was there, how soon, and how often there was an alarm for nothing. */
export function scoreOf(
  { series, slots }: Pick<Trace, 'series' | 'slots'>,
  planted: readonly Planted[],
  alarms: readonly Alarms[],
  judgedFrom: number,
): Score {
  const found = planted.map(({ series: index, from, until }) => {
    const first = alarms[index]?.findIndex((alarm, slot) => alarm && slot >= from && slot < until) ?? -1;
    return first === -1 ? undefined : ((first + 1 - from) * SLOT_MS) / 60_000;
  });
  let falseAlarms = 0;
  let counted = 0;
  for (const index of series.keys()) {
    const own = planted.filter((each) => each.series === index);
    let last = -Infinity;
    for (let slot = judgedFrom; slot < slots; slot += 1) {
      if (own.some(({ from, until }) => slot >= from && slot < until + AFTER_SLOTS)) {
        if (alarms[index]?.[slot]) last = slot;
        continue;
      }
      counted += 1;
      if (!alarms[index]?.[slot]) continue;
      if (slot - last > APART_SLOTS) falseAlarms += 1;
      last = slot;
    }
  }
  const byFault = Object.fromEntries(
    FAULTS.map((fault) => {
      const delays = found.filter((_, index) => planted[index]?.fault === fault);
      const known = delays.filter((delay) => delay !== undefined).toSorted((one, other) => one - other);
      return [
        fault,
        { planted: delays.length, found: known.length, medianDelayMinutes: known[Math.floor(known.length / 2)] },
      ];
    }),
  ) as Score['byFault'];
  return { byFault, falseAlarms, seriesWeeks: counted / WEEK_SLOTS };
}
