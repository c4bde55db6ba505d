import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { translateDatabaseError } from '../../store/database-errors.ts';
import type { BringAll } from './bring.ts';
import type { Journal } from './journal.ts';
import { restMs } from './pace.ts';
import type { Delivery } from './record.ts';

/** Bytes wait on disk, and nothing gets on. */
export interface Stall {
  readonly bytes: number;
  readonly forMs: number;
  /** Where it fails, rather than hangs. */
  readonly reason?: string | undefined;
}

export interface Mover {
  start(): void;
  /** Resolves when what it has in hand is in the store, or could not be brought there. */
  stop(): Promise<void>;
  /** How long ago the oldest that is not in the store yet was taken, as far as that can be read; or since when nothing gets on. */
  behindMs(): number;
  stall(): Stall | undefined;
  /** The oldest that was read and is not in the store. */
  oldest(): Delivery | undefined;
  /** Tries at once. */
  nudge(): void;
}

const BATCH = 1_000;
const LOOK_MS = 2_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;

/** Brings deliveries from the journal to the store. */
export function createMover({
  journal,
  bringAll,
  mostBytes,
  load,
  now,
  log,
}: {
  readonly journal: Pick<Journal, 'read' | 'settle' | 'bytes' | 'onNews'>;
  readonly bringAll: BringAll;
  readonly mostBytes: () => number;
  /** How much of their time those who take requests need, 0 to 1; since the last call. */
  readonly load: () => number;
  readonly now: () => Date;
  readonly log: Log;
}): Mover {
  const stopping = new AbortController();
  const { signal } = stopping;
  let hurried = new AbortController();
  let news = Promise.withResolvers<void>();
  let loop: Promise<void> | undefined;
  journal.onNews(() => news.resolve());

  let inHand: readonly Delivery[] = [];
  /** Of the last that was moved, while more waits behind it. */
  let reached: Date | undefined;
  /** When something came into the store last, or there was nothing left to do. */
  let wellAt = performance.now();
  let failure: string | undefined;
  const well = (): void => {
    wellAt = performance.now();
    failure = undefined;
  };

  function stall(): Stall | undefined {
    const bytes = journal.bytes();
    return bytes === 0 ? undefined : { bytes, forMs: performance.now() - wellAt, reason: failure };
  }

  function behindMs(): number {
    const oldest = inHand[0]?.receivedAt ?? reached;
    if (oldest) return Math.max(0, now().getTime() - oldest.getTime());
    return failure === undefined ? 0 : (stall()?.forMs ?? 0);
  }

  async function moveAll(): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        news = Promise.withResolvers();
        if (inHand.length === 0) inHand = await journal.read(BATCH);
        const count = inHand.length;
        const more = count === BATCH;
        const began = performance.now();
        if (count > 0) await bringAll(inHand);
        reached = more ? inHand.at(-1)?.receivedAt : undefined;
        inHand = [];
        await journal.settle();
        failures = 0;
        well();
        // With an empty journal nothing happens until something comes.
        if (count === 0)
          await Promise.race(journal.bytes() > 0 ? [news.promise, pause(LOOK_MS)] : [news.promise]).then(well);
        else await rest(performance.now() - began, more);
      } catch (thrown) {
        const { code, message } = StewardError.from(translateDatabaseError(thrown));
        failures += 1;
        failure = message;
        log.warn('webhooks wait in the journal, the store does not take them', { code, reason: message, failures });
        await pause(Math.min(FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 10), LONGEST_WAIT_MS));
      }
    }
  }

  async function rest(workedMs: number, more: boolean): Promise<void> {
    const fullness = journal.bytes() / mostBytes();
    const milliseconds = restMs({ workedMs, more, load: load(), behindMs: behindMs(), fullness });
    if (milliseconds > 0) await pause(milliseconds);
  }

  async function pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal: AbortSignal.any([signal, hurried.signal]) }).catch(() => undefined);
  }

  return {
    start() {
      loop ??= moveAll();
    },
    async stop() {
      stopping.abort();
      news.resolve();
      await loop;
    },
    behindMs,
    stall,
    oldest: () => inHand[0],
    nudge() {
      hurried.abort();
      hurried = new AbortController();
    },
  };
}
