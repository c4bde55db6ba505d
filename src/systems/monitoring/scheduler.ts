import { DueQueue } from './due-queue.ts';

interface Entry {
  readonly id: string;
  readonly everyMs: number;
  /** When its own place within the interval comes after the first look. */
  placeAt: number | undefined;
  removed: boolean;
}

export interface Scheduler {
  /** Calls `run` with the id again and again. One that is known keeps its place unless its interval changed. */
  add(id: string, everyMs: number): void;
  remove(id: string): void;
  stop(): void;
}

/** A first look comes soon after a check is known, whatever its interval. */
const FIRST_WITHIN_MS = 2_000;
/** Checks due within this much of each other are started together. */
const GRAIN_MS = 20;
/** Node's timers end at 24 days. */
const LONGEST_SLEEP_MS = 86_400_000;
/** Its multiples, modulo 1, spread evenly however many there are. */
const GOLDEN = 0.618_033_988_75;

/**
 * One timer for all checks. Each has its own place within its interval, so that they do not come all at once.
 * After a pause of the process the missed probes are not caught up.
 */
export function createScheduler(
  run: (id: string) => void,
  monotonic: () => number = () => performance.now(),
): Scheduler {
  const queue = new DueQueue<Entry>();
  const entries = new Map<string, Entry>();
  let timer: NodeJS.Timeout | undefined;
  let timerAt = Infinity;
  let added = 0;

  function wake(): void {
    timerAt = Infinity;
    const now = monotonic();
    for (const entry of queue.take(now + GRAIN_MS)) {
      if (entry.removed) continue;
      queue.add(entry.placeAt ?? now + entry.everyMs, entry);
      entry.placeAt = undefined;
      run(entry.id);
    }
    arm();
  }

  function arm(): void {
    const next = queue.nextAt;
    if (next === undefined || next >= timerAt) return;
    clearTimeout(timer);
    timerAt = next;
    timer = setTimeout(wake, Math.min(Math.max(0, next - monotonic()), LONGEST_SLEEP_MS));
  }

  return {
    add(id, everyMs) {
      const known = entries.get(id);
      if (known?.everyMs === everyMs) return;
      if (known) known.removed = true;
      added += 1;
      const place = (added * GOLDEN) % 1;
      const now = monotonic();
      const first = now + place * Math.min(everyMs, FIRST_WITHIN_MS);
      const placeAt = now + place * everyMs;
      const entry: Entry = {
        id,
        everyMs,
        placeAt: placeAt > first + FIRST_WITHIN_MS ? placeAt : undefined,
        removed: false,
      };
      entries.set(id, entry);
      queue.add(first, entry);
      arm();
    },
    remove(id) {
      const entry = entries.get(id);
      if (!entry) return;
      entry.removed = true;
      entries.delete(id);
    },
    stop() {
      clearTimeout(timer);
      for (const entry of entries.values()) entry.removed = true;
      entries.clear();
    },
  };
}
