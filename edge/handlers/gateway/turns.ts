// What nobody knows yet is looked at in turn: at one address behind the others that are looked at there.
import type { Soon } from '../soon.ts';
import type { Spent } from './limits.ts';
import type { Patience } from './patience.ts';

/** The counts of one address, for what nobody knows yet. */
export interface Counts {
  /** Whose they are. */
  readonly of: string;
  /** So many are looked at together, in one process: a part of what may be guessed, so that other nodes find room as well. */
  readonly atOnce: number;
  /** So long a request waits for others. */
  readonly waitMs: number;
  /** Unix milliseconds: when the request came. */
  readonly now: number;
  /** Counts one guess, before it is known whether it is one. */
  readonly guess: () => Soon<Spent>;
  /** The same, and nothing is counted. */
  readonly look: () => Soon<Spent>;
  /** Counts one of whom it is not known who asks. */
  readonly stranger: () => Soon<Spent>;
}

export interface Turn {
  /** full: the address has guessed too often. busy: too many others are looked at or wait. */
  readonly is: 'go' | 'full' | 'busy';
  readonly spent: Spent;
  /** It was looked at: somebody else may be. */
  readonly end: () => void;
}

export interface Turns {
  /** Who has a turn already does not wait for another: two that wait for each other would wait forever. */
  readonly take: (counts: Counts, patience: Patience, mayWait?: boolean) => Promise<Turn>;
}

const MOST_WAITING = 500;
const AGAIN_SECONDS = 1;
/** What did not end by then was cut off by its runtime, and will not say so. */
const LOST_MS = 60_000;

/** Who may wait longer than that is not lost for it. */
const isLost = ({ since, waitMs }: Waiting, now: number): boolean => Math.abs(now - since) > waitMs + LOST_MS;

interface Waiting {
  readonly since: number;
  readonly waitMs: number;
  readonly wake: () => void;
}

interface Queue {
  /** Since when. */
  readonly looking: Map<object, number>;
  readonly waiting: Waiting[];
}

/**
 * A guess is counted before the look and given back after it, so a full count may have room as soon as one of those before has
 * ended. Nobody gets more looks by waiting: who is wrong gives nothing back, and where nobody is looked at and the count is full, those
 * who wait find that out one after the other. All at once they would wait for each other, and each of them many times.
 */
export function createTurns(mostWaiting = MOST_WAITING): Turns {
  const queues = new Map<string, Queue>();

  function queueOf({ of, now }: Counts): Queue {
    let queue = queues.get(of);
    if (!queue) queues.set(of, (queue = { looking: new Map(), waiting: [] }));
    for (const [one, since] of queue.looking) if (Math.abs(now - since) > LOST_MS) queue.looking.delete(one);
    while (queue.waiting[0] && isLost(queue.waiting[0], now)) queue.waiting.shift();
    return queue;
  }

  function ended(of: string, queue: Queue, one: object): void {
    queue.looking.delete(one);
    const next = queue.waiting.shift();
    next?.wake();
    if (!next && queue.looking.size === 0 && queues.get(of) === queue) queues.delete(of);
  }

  return {
    async take(counts, patience, mayWait = true) {
      const { of, atOnce, now, guess } = counts;
      const queue = queueOf(counts);
      const own = {};
      const end = (): void => ended(of, queue, own);
      try {
        let mayGo = !mayWait || (queue.waiting.length === 0 && queue.looking.size < atOnce);
        for (let again = false; ; again = true) {
          if (mayGo) {
            queue.looking.set(own, now);
            const spent = await guess();
            if (spent.allowed) {
              // Where there was room for one, there may be for the next.
              if (queue.looking.size < atOnce) queue.waiting.shift()?.wake();
              return { is: 'go', spent, end };
            }
            queue.looking.delete(own);
            if (queue.looking.size === 0) {
              end();
              return { is: 'full', spent, end: nothing };
            }
          }
          if (!mayWait || queue.waiting.length >= mostWaiting || !(await isWoken(queue, counts, again, patience)))
            return { is: 'busy', spent: soon(await counts.look(), now), end: nothing };
          mayGo = queue.looking.size < atOnce;
        }
      } catch (thrown) {
        end();
        throw thrown;
      }
    },
  };
}

/** False where that took too long; who waits again stands in front. */
async function isWoken(
  { waiting }: Queue,
  { now, waitMs }: Counts,
  again: boolean,
  patience: Patience,
): Promise<boolean> {
  const woken = Promise.withResolvers<void>();
  const one: Waiting = { since: now, waitMs, wake: woken.resolve };
  if (again) waiting.unshift(one);
  else waiting.push(one);
  await patience.waitFor(woken.promise);
  const at = waiting.indexOf(one);
  if (at !== -1) waiting.splice(at, 1);
  return at === -1;
}

/** What room the count has is for those who are being looked at; they are to be waited for. In the shadow nobody waits. */
function soon(spent: Spent, now: number): Spent {
  const { ratelimit } = spent.headers;
  const none = { allowed: false, remaining: 0, resetAt: now + AGAIN_SECONDS * 1_000 };
  return {
    ...spent,
    allowed: false,
    headers: {
      ...spent.headers,
      'x-ratelimit-remaining': '0',
      ...(ratelimit !== undefined && { ratelimit: ratelimit.replace(/;r=\d+;t=\d+/, `;r=0;t=${AGAIN_SECONDS}`) }),
      'retry-after': String(AGAIN_SECONDS),
    },
    traces: spent.traces.map((trace) => (trace.shadow ? trace : { ...trace, ...none })),
  };
}

function nothing(): void {
  // Nobody waits for it.
}
