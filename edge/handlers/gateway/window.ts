// The window of one key, wherever it is kept: counted by the bucket that an instant falls into.
import type { Count, CountAsked } from './counters.ts';

/** Buckets that a window is divided into. */
const FINENESS = 240;

/** How often a key was counted, by the bucket that it fell into; buckets of none are not kept. */
export interface Log {
  /** [bucket, count, bucket, count, ...], oldest first, from `head` on. */
  readonly buckets: number[];
  head: number;
  total: number;
}

type Asked = Omit<CountAsked, 'key'>;

export const emptyLog = (): Log => ({ buckets: [], head: 0, total: 0 });

/** What stays in a log after it was last counted: the window, and how late it may let go. */
export function keptMs(windowMs: number): number {
  return windowMs + windowMs / FINENESS;
}

/** Unix milliseconds: when the last one has left it. */
export function emptyAt({ buckets }: Log, windowMs: number): number {
  return ((buckets.at(-2) ?? 0) + FINENESS + 1) * (windowMs / FINENESS);
}

export function nothingCounted({ limit }: Pick<Asked, 'limit'>): Count {
  return { allowed: limit > 0, used: 0, remaining: limit, resetMs: 0 };
}

/** Takes one more where there is room and `take` says so, or only looks. */
export function count(log: Log, { limit, windowMs, now }: Asked, take: boolean): Count {
  const width = windowMs / FINENESS;
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

/** Gives back one of a bucket; what left the window already takes nothing with it. */
export function giveBack(log: Log, { windowMs, now }: Asked, bucket: number | undefined): void {
  expire(log, Math.floor(now / (windowMs / FINENESS)));
  remove(log, bucket);
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
