import type { Count, CountAsked, Counters } from './counters.ts';
import { count, emptyLog, giveBack, keptMs, type Log, nothingCounted } from './window.ts';

const MOST_KEYS = 100_000;

/** What was asked for since the last turn, and what was only before it. */
interface Generations {
  young: Map<string, Log>;
  old: Map<string, Log>;
  turnedAt: number;
}

/**
 * A sliding window in the memory of one process, without a promise and without a timer.
 *
 * Exact to one side: no `windowMs` long span of time ever holds more than `limit`, wherever it begins. What was counted leaves
 * up to a 240th of the window late (a quarter of a second in a minute), never early; `resetMs` says when, to the millisecond.
 * A key that nobody asked for during two windows is forgotten. Of more than `mostKeys` keys those that were not asked for
 * lately are forgotten too, so that addresses without end cost no memory without end. A clock that jumps back by more than a
 * window starts the count of a key anew; by less, it stands still for the key until the time is reached again.
 */
export function memoryCounters(mostKeys = MOST_KEYS): Counters & { readonly size: () => number } {
  const windows = new Map<number, Generations>();

  function logOf({ key, windowMs, now }: CountAsked, make: boolean): Log | undefined {
    let generations = windows.get(windowMs);
    if (!generations) windows.set(windowMs, (generations = { young: new Map(), old: new Map(), turnedAt: now }));
    turn(generations, windowMs, now, mostKeys / 2);
    const { young, old } = generations;
    let log = young.get(key);
    if (log) return log;
    log = old.get(key) ?? (make ? emptyLog() : undefined);
    if (log) {
      old.delete(key);
      young.set(key, log);
    }
    return log;
  }

  function counted(asked: CountAsked, take: boolean): Count {
    const log = logOf(asked, take);
    return log ? count(log, asked, take) : nothingCounted(asked);
  }

  return {
    take: (asked) => counted(asked, true),
    look: (asked) => counted(asked, false),
    give(asked, { bucket }) {
      const log = logOf(asked, false);
      if (log) giveBack(log, asked, bucket);
    },
    size: () => [...windows.values()].reduce((sum, { young, old }) => sum + young.size + old.size, 0),
  };
}

function turn(generations: Generations, windowMs: number, now: number, most: number): void {
  const length = keptMs(windowMs);
  const passed = now - generations.turnedAt;
  if (passed < length && passed > -windowMs && generations.young.size < most) return;
  generations.old = passed >= 2 * length ? new Map() : generations.young;
  generations.young = new Map();
  generations.turnedAt = now;
}
