import type { Count, CountAsked, Counters } from './counters.ts';

/** Buckets that a window is divided into. */
const FINENESS = 240;
const MOST_KEYS = 100_000;

/** How often a key was counted, by the bucket that it fell into; buckets of none are not kept. */
interface Log {
  /** [bucket, count, bucket, count, ...], oldest first, from `head` on. */
  readonly buckets: number[];
  head: number;
  total: number;
}

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
    log = old.get(key) ?? (make ? { buckets: [], head: 0, total: 0 } : undefined);
    if (log) {
      old.delete(key);
      young.set(key, log);
    }
    return log;
  }

  function count(asked: CountAsked, take: boolean): Count {
    const { limit, windowMs, now } = asked;
    const width = windowMs / FINENESS;
    const log = logOf(asked, take);
    if (!log) return { allowed: limit > 0, used: 0, remaining: limit, resetMs: 0 };
    const bucket = expire(log, Math.floor(now / width));
    const allowed = log.total < limit;
    if (allowed && take) add(log, bucket);
    const used = log.total;
    return {
      allowed,
      used,
      remaining: Math.max(0, limit - used),
      resetMs: reset(log, allowed ? used : limit, width, now),
      ...(allowed && take && { bucket }),
    };
  }

  function give(asked: CountAsked, { bucket }: Pick<Count, 'bucket'>): void {
    const log = logOf(asked, false);
    if (!log) return;
    expire(log, Math.floor(asked.now / (asked.windowMs / FINENESS)));
    remove(log, bucket);
  }

  return {
    take: (asked) => count(asked, true),
    look: (asked) => count(asked, false),
    give,
    size: () => [...windows.values()].reduce((sum, { young, old }) => sum + young.size + old.size, 0),
  };
}

function turn(generations: Generations, windowMs: number, now: number, most: number): void {
  // A log is needed for one window and one bucket after its last count.
  const length = windowMs + windowMs / FINENESS;
  const passed = now - generations.turnedAt;
  if (passed < length && passed > -windowMs && generations.young.size < most) return;
  generations.old = passed >= 2 * length ? new Map() : generations.young;
  generations.young = new Map();
  generations.turnedAt = now;
}

/** Takes off what the window has left behind, and says which bucket is the present one. */
function expire(log: Log, present: number): number {
  const { buckets } = log;
  const newest = buckets.at(-2);
  if (newest === undefined) return present;
  if (newest - present > FINENESS) {
    buckets.length = 0;
    log.head = 0;
    log.total = 0;
    return present;
  }
  while (log.head < buckets.length && (buckets[log.head] ?? 0) < present - FINENESS) {
    log.total -= buckets[log.head + 1] ?? 0;
    log.head += 2;
  }
  if (log.head > FINENESS || log.head === buckets.length) {
    buckets.splice(0, log.head);
    log.head = 0;
  }
  return Math.max(present, newest);
}

function add(log: Log, bucket: number): void {
  const { buckets } = log;
  const last = buckets.length - 1;
  if (last > 0 && buckets[last - 1] === bucket) buckets[last] = (buckets[last] ?? 0) + 1;
  else buckets.push(bucket, 1);
  log.total += 1;
}

/** One of that bucket; what left the window already takes nothing with it. */
function remove(log: Log, bucket: number | undefined): void {
  const { buckets, head } = log;
  for (let at = buckets.length - 2; at >= head; at -= 2) {
    const count = buckets[at + 1] ?? 0;
    if (count === 0 || (bucket !== undefined && buckets[at] !== bucket)) continue;
    buckets[at + 1] = count - 1;
    log.total -= 1;
    return;
  }
}

/** Until the window holds fewer than `below`. */
function reset({ buckets, head, total }: Log, below: number, width: number, now: number): number {
  let left = total;
  for (let at = head; at < buckets.length; at += 2) {
    left -= buckets[at + 1] ?? 0;
    if (left < below) return Math.max(0, Math.ceil(((buckets[at] ?? 0) + FINENESS + 1) * width - now));
  }
  return 0;
}
