// How often something happened, over all nodes of a store, and over restarts of each of them.
import type { Count, CountAsked, Counters } from '../../../edge/handlers/gateway/counters.ts';
import { memoryCounters } from '../../../edge/handlers/gateway/memory-counters.ts';
import type { Log } from '../../core/log.ts';
import type { LeaseAsked, Leased, LeaseMore } from './leases.ts';
import { within } from './within.ts';

export interface SharedCounters extends Counters {
  /** Gives back what was not used; what is asked later is answered from this node's own share. */
  close(): Promise<void>;
  /** Whether the store answers. */
  readonly shared: boolean;
  /** How many keys it knows. */
  readonly size: number;
}

/** Permits that the store gave for a while; who dies with them has spent them. */
interface Lease {
  readonly bucket: number;
  readonly until: number;
  left: number;
}

/** Permits by where the store counts them. */
type Back = Pick<Lease, 'bucket' | 'left'>;

interface Waiting {
  readonly asked: CountAsked;
  readonly take: boolean;
  readonly resolve: (count: Count) => void;
}

interface Known {
  readonly key: string;
  readonly windowMs: number;
  readonly limit: number;
  /** The smallest limit that the same count was asked with lately. */
  least: number;
  /** As the store said last, the whole lease included. */
  used: number;
  lease: Lease | undefined;
  /** What is used when nothing of the present one is left. */
  next: Lease | undefined;
  /** What was leased and nobody uses any more, to be given back. */
  readonly backs: Back[];
  /** A new lease is asked for while the present one lasts, so that nobody waits for the store. */
  renewing: boolean;
  fullUntil: number;
  resetAt: number;
  waiting: Waiting[];
  /** Let through while the store was away, and not written there yet. */
  debt: number;
  /** When it was asked for last, by the clock of who asked and by this one. */
  now: number;
  touched: number;
}

/** Until then a permit may be used. Longer than the store may take to answer. */
const LEASE_MS = 1_000;
const STORE_MS = 500;
const AWAY_MS = 1_000;
const TIDY_MS = 250;
const REFUSED_MS = 1_000;
const KEPT_MS = 2_000;
const MOST_KEYS = 100_000;
const MOST_AT_ONCE = 1_000;
/** Of a limit, so much is taken in advance; what is left of one below a thousand is asked for as it is needed. */
const ADVANCE = 0.01;
const LEAST_FOR_ADVANCE = 1_000;
const LAST = 0.1;

/**
 * A sliding window that the nodes share. Permits are leased from a row by one statement, for all keys that wait at that moment;
 * of a large limit some are leased in advance. Exact to one side: never more than `limit` in any window, in total; a permit
 * comes back up to two seconds late in a minute. Where the store does not answer, each node lets through its own share, counts
 * it, and tells the store afterwards.
 */
export function sharedCounters({
  leaseMore,
  nodes,
  log,
  mostKeys = MOST_KEYS,
}: {
  /** Asks the store. */
  readonly leaseMore: LeaseMore;
  /** How many nodes share the store. */
  readonly nodes: () => number;
  readonly log: Log;
  readonly mostKeys?: number;
}): SharedCounters {
  const known = new Map<string, Known>();
  const byCount = new Map<string, readonly Known[]>();
  /** What this node itself let through: what its share is measured by. */
  const own = memoryCounters();
  const asking = new Set<Known>();
  let inFlight: Promise<void> | undefined;
  let planned: NodeJS.Immediate | undefined;
  let awayUntil = 0;
  let away = false;
  let closed = false;
  const tidying = setInterval(tidy, TIDY_MS).unref();

  /** By its limit too: what was leased or refused by one limit says nothing of another, though the store counts both in one row. */
  function knownOf({ key, windowMs, limit, now }: CountAsked, at: number): Known {
    const name = `${windowMs} ${limit} ${key}`;
    let found = known.get(name);
    if (!found) {
      if (known.size >= mostKeys) dropOldest();
      found = {
        key,
        windowMs,
        limit,
        least: limit,
        now,
        used: 0,
        lease: undefined,
        next: undefined,
        backs: [],
        renewing: false,
        fullUntil: 0,
        resetAt: 0,
        waiting: [],
        debt: 0,
        touched: at,
      };
      known.set(name, found);
      meet(found);
    }
    found.now = now;
    found.touched = at;
    return found;
  }

  function countOfAll({ windowMs, key }: Known): string {
    return `${windowMs} ${key}`;
  }

  /** One count with several limits: what was leased in advance for a large one goes back before a smaller one is asked for. */
  function meet(about: Known): void {
    const name = countOfAll(about);
    const together = [...(byCount.get(name) ?? []), about];
    byCount.set(name, together);
    if (together.length === 1) return;
    const least = Math.min(...together.map(({ limit }) => limit));
    for (const each of together) {
      each.least = least;
      if (each.limit === least) continue;
      retire(each);
      if (each.backs.length > 0) asking.add(each);
    }
  }

  function forget(name: string, about: Known): void {
    known.delete(name);
    const left = (byCount.get(countOfAll(about)) ?? []).filter((each) => each !== about);
    if (left.length === 0) byCount.delete(countOfAll(about));
    else byCount.set(countOfAll(about), left);
    const least = Math.min(...left.map(({ limit }) => limit));
    for (const each of left) each.least = least;
  }

  /** Some at once: to find the first key takes longer the more were dropped before it. */
  function dropOldest(): void {
    let left = Math.ceil(mostKeys / 100);
    for (const [name, about] of known) {
      if ((left -= 1) < 0) return;
      forget(name, about);
    }
  }

  function ask(asked: CountAsked, take: boolean): Count | Promise<Count> {
    const at = performance.now();
    const about = knownOf(asked, at);
    const lease = usable(about, at);
    if (lease) {
      if (take) spend(asked, lease);
      if (take && !about.next && isNearEnd(lease, advanceOf(about), at)) renew(about);
      return countOf(about, at, true, take ? lease.bucket : undefined);
    }
    if (at < about.fullUntil) return countOf(about, at, false);
    if (closed || away) return fromShare(about, asked, take);
    const { promise, resolve } = Promise.withResolvers<Count>();
    about.waiting.push({ asked, take, resolve });
    asking.add(about);
    plan();
    return promise;
  }

  function spend(asked: CountAsked, lease: Lease): void {
    lease.left -= 1;
    void own.take({ ...asked, limit: Infinity });
  }

  function renew(about: Known): void {
    if (about.renewing || away || closed) return;
    about.renewing = true;
    asking.add(about);
    plan();
  }

  function countOf(
    { used, lease, next, backs, limit, resetAt }: Known,
    at: number,
    allowed: boolean,
    bucket?: number,
  ): Count {
    const unused = backs.reduce((sum, { left }) => sum + left, (lease?.left ?? 0) + (next?.left ?? 0));
    const spent = Math.max(0, used - unused);
    return {
      allowed,
      used: spent,
      remaining: allowed ? Math.max(0, limit - spent) : 0,
      resetMs: Math.max(0, Math.ceil(resetAt - at)),
      ...(bucket !== undefined && { bucket }),
    };
  }

  function give(asked: CountAsked, { bucket }: Pick<Count, 'bucket'>): void {
    const about = knownOf(asked, performance.now());
    void own.give(asked, {});
    about.fullUntil = 0;
    if (bucket === undefined) about.debt = Math.max(0, about.debt - 1);
    else bringBack(about, bucket, 1);
  }

  function bringBack(about: Known, bucket: number, left: number): void {
    const same = about.backs.find((each) => each.bucket === bucket);
    if (same) same.left += left;
    else about.backs.push({ bucket, left });
  }

  function fromShare(about: Known, asked: CountAsked, take: boolean): Count {
    const share = { ...asked, limit: Math.floor(asked.limit / Math.max(1, nodes())) };
    if (!take) return own.look(share) as Count;
    const { bucket: _, ...count } = own.take(share) as Count;
    if (count.allowed) about.debt += 1;
    return count;
  }

  /** Of its debt what the window still holds: what was let through before that is nobody's matter any more. */
  function owedOf({ key, windowMs, limit, debt, now, touched }: Known, at: number): number {
    if (debt === 0) return 0;
    return Math.min(debt, (own.look({ key, windowMs, limit, now: now + at - touched }) as Count).used);
  }

  function plan(): void {
    if (inFlight || planned) return;
    planned = setImmediate(() => {
      planned = undefined;
      inFlight = flush().finally(() => {
        inFlight = undefined;
        if (asking.size > 0) plan();
      });
    });
  }

  async function flush(): Promise<void> {
    const batch = [...asking].slice(0, MOST_AT_ONCE).sort(inOrder);
    const asked = batch.map((about) => {
      asking.delete(about);
      const waiting = about.waiting.splice(0);
      const wanted = waiting.filter(({ take }) => take).length;
      void usable(about, performance.now());
      const back = about.backs.shift();
      if (about.backs.length > 0) asking.add(about);
      const debt = owedOf(about, performance.now());
      about.debt = 0;
      const want = wanted === 0 && !about.renewing ? 0 : wanted + advanceOf(about);
      about.renewing = false;
      return { about, waiting, wanted, back, debt, want };
    });
    const began = performance.now();
    let given: readonly Leased[];
    try {
      given = await within(STORE_MS, leaseMore(asked.map(askedOf), LEASE_MS));
      if (away) log.info('the limits of the gateway are shared again');
      away = false;
    } catch (thrown) {
      awayUntil = performance.now() + AWAY_MS;
      if (!away) log.warn('the store does not answer: the gateway counts for itself', { reason: String(thrown) });
      away = true;
      for (const { about, waiting, debt } of asked) {
        // It may have been written all the same: then it is counted twice, which lets through less, never more.
        about.debt += debt;
        for (const each of waiting) each.resolve(fromShare(about, each.asked, each.take));
      }
      return;
    }
    const at = performance.now();
    for (const [index, { about, waiting, wanted }] of asked.entries()) {
      const { granted, used, bucket, resetMs } = given[index] as Leased;
      const taken: Lease = { bucket, until: began + LEASE_MS, left: granted };
      about.used = used;
      if (!usable(about, at)) about.lease = taken;
      else if (granted > 0) {
        bringBackOf(about, about.next);
        about.next = taken;
      }
      about.resetAt = at + resetMs;
      // What was given back since it was asked makes room there.
      const full = granted < wanted || used - granted >= about.limit;
      if (full && about.backs.length === 0) about.fullUntil = at + Math.min(resetMs, REFUSED_MS);
      for (const { asked: each, take, resolve } of waiting) {
        const allowed = take ? taken.left > 0 : used - taken.left < about.limit;
        if (take && allowed) spend(each, taken);
        resolve(countOf(about, at, allowed, take && allowed ? bucket : undefined));
      }
    }
  }

  /** Of two leases the older one is used up first: what is given back helps nobody before the store knows of it. */
  function usable(about: Known, at: number): Lease | undefined {
    for (;;) {
      const { lease } = about;
      if (lease && lease.left > 0 && at < lease.until) return lease;
      bringBackOf(about, lease);
      about.lease = about.next;
      about.next = undefined;
      if (!about.lease) return undefined;
    }
  }

  function bringBackOf(about: Known, lease: Lease | undefined): void {
    if (lease && lease.left > 0) bringBack(about, lease.bucket, lease.left);
  }

  /** Nothing more is used of its leases. */
  function retire(about: Known): void {
    bringBackOf(about, about.lease);
    bringBackOf(about, about.next);
    about.lease = undefined;
    about.next = undefined;
  }

  /** What was leased in advance and not used goes back, so that another node may have it; what was let through alone is told. */
  function tidy(): void {
    const at = performance.now();
    for (const [name, about] of known) {
      void usable(about, at);
      const toTell = about.backs.length > 0 || about.debt > 0;
      if (toTell && !away) asking.add(about);
      // After a window there is nothing left of it to tell.
      if (at - about.touched > (toTell ? about.windowMs : KEPT_MS) && about.waiting.length === 0) forget(name, about);
    }
    if (away ? at >= awayUntil : asking.size > 0) plan();
  }

  return {
    take: (asked) => ask(asked, true),
    look: (asked) => ask(asked, false),
    give,
    get shared() {
      return !away;
    },
    get size() {
      return known.size;
    },
    async close() {
      closed = true;
      clearInterval(tidying);
      await inFlight;
      for (const about of known.values()) retire(about);
      while (!away) {
        for (const about of known.values()) if (about.debt > 0 || about.backs.length > 0) asking.add(about);
        if (asking.size === 0) return;
        await flush();
      }
    },
  };
}

function askedOf({
  about: { key, windowMs, limit },
  back,
  debt,
  want,
}: {
  readonly about: Known;
  readonly back: Back | undefined;
  readonly debt: number;
  readonly want: number;
}): LeaseAsked {
  return { key, windowMs, limit, want, debt, back };
}

/** In one order everywhere, or two nodes wait for each other's rows; of one count the larger limit first, which may give something back. */
function inOrder(a: Known, b: Known): number {
  if (a.key !== b.key) return a.key < b.key ? -1 : 1;
  return a.windowMs - b.windowMs || b.limit - a.limit;
}

function isNearEnd({ left, until }: Lease, advance: number, at: number): boolean {
  return advance > 0 && (left < advance / 4 || at > until - LEASE_MS / 2);
}

/** The last ones are given to who waits for them: what a node had in advance of these another would be refused. */
function advanceOf({ limit, least, used }: Pick<Known, 'limit' | 'least' | 'used'>): number {
  return least < LEAST_FOR_ADVANCE || used > limit * (1 - LAST) ? 0 : Math.floor(least * ADVANCE);
}
