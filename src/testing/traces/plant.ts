import { MEASURES } from '../../core/measures.ts';
import { DAY_SLOTS, randomOf, type Trace, type TraceSeries, WEEK_SLOTS } from './trace.ts';

export const FAULTS = ['spike', 'level shift', 'drift', 'silence'] as const;
export type Fault = (typeof FAULTS)[number];

export interface Planted {
  readonly series: number;
  readonly fault: Fault;
  /** Slots: from the first that is wrong to the first that is right again. */
  readonly from: number;
  readonly until: number;
}

const HOUR = 12;

/**
 * Puts one fault into each series every week from the given one on, each kind in turn; of what comes of it nothing is known to who
 * looks. A spike is 20 to 60 minutes of three to five times as much, a shift two days of 1.6 to 2.2 times, a drift grows evenly over four days
 * to 1.8 to 2.4 times, of memory, which cannot double, to less; a silence is two to six hours of no value, of one and the same, or of next to none.
 */
export function plantFaults(trace: Trace, seed: number, firstWeek: number): { trace: Trace; planted: Planted[] } {
  const random = randomOf(seed);
  const planted: Planted[] = [];
  const series = trace.series.map((one, index): TraceSeries => {
    const values = Float64Array.from(one.values);
    const first = Math.floor(random() * FAULTS.length);
    for (let week = firstWeek; (week + 1) * WEEK_SLOTS <= trace.slots; week += 1) {
      const fault = FAULTS[(first + week) % FAULTS.length] ?? 'spike';
      const from = begin(values, one, week * WEEK_SLOTS + Math.floor(random() * DAY_SLOTS), fault);
      const until = from + change(values, one, from, fault, random);
      planted.push({ series: index, fault, from, until });
    }
    return { ...one, values };
  });
  return { trace: { ...trace, series }, planted };
}

/** A spike or a silence where nothing is worth a word by itself would be none: it begins when there is something. */
function begin(values: Float64Array, { metric }: TraceSeries, wanted: number, fault: Fault): number {
  if (fault === 'level shift' || fault === 'drift') return wanted;
  for (let slot = wanted; slot < wanted + DAY_SLOTS; slot += 1) {
    const hour = values.subarray(slot, slot + HOUR);
    if (hour.every((value) => value >= MEASURES[metric].least)) return slot;
  }
  return wanted;
}

/** The slots that it took. */
function change(
  values: Float64Array,
  { metric }: TraceSeries,
  from: number,
  fault: Fault,
  random: () => number,
): number {
  const isMemory = metric === 'memory';
  const most = metric === 'cpu' || metric === 'memory' || metric === 'disk' ? 0.98 : Infinity;
  const times = (slot: number, by: number): void => {
    values[slot] = Math.min(most, (values[slot] ?? 0) * by);
  };
  switch (fault) {
    case 'spike': {
      const [length, by] = [4 + Math.floor(random() * 9), isMemory ? 1.5 : 3 + random() * 2];
      for (let slot = from; slot < from + length; slot += 1) times(slot, by);
      return length;
    }
    case 'level shift': {
      const by = isMemory ? 1.3 + random() * 0.2 : 1.6 + random() * 0.6;
      for (let slot = from; slot < from + 2 * DAY_SLOTS; slot += 1) times(slot, by);
      return 2 * DAY_SLOTS;
    }
    case 'drift': {
      const [length, by] = [4 * DAY_SLOTS, isMemory ? 0.4 + random() * 0.1 : 0.8 + random() * 0.6];
      for (let slot = from; slot < from + length; slot += 1) times(slot, 1 + (by * (slot - from)) / length);
      return length;
    }
    case 'silence': {
      const length = 24 + Math.floor(random() * 49);
      const kind = Math.floor(random() * (metric === 'network' ? 3 : 2));
      const last = values[from] ?? 0;
      for (let slot = from; slot < from + length; slot += 1)
        values[slot] = kind === 0 ? Number.NaN : kind === 1 ? last : (values[slot] ?? 0) * 0.01;
      return length;
    }
  }
}
