import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

export interface Rounds {
  /** There is news: the next round begins now, or right after this one. */
  wake(): void;
  /** Resolves when no round runs any more. */
  stop(): Promise<void>;
}

const LONGEST_SLEEP_MS = 30_000;
/** What is overdue is in the hands of a line that is busy, or of another node. */
const OVERDUE_SLEEP_MS = 1_000;
const FAILED_SLEEP_MS = 1_000;

/** Looks at what is on record whenever something is told of or due, and now and then besides, for news may be lost. */
export function startRounds({
  name,
  round,
  now,
  log,
}: {
  readonly name: string;
  /** Gives when something is next due; undefined where nothing is. */
  readonly round: (signal: AbortSignal) => Promise<Date | undefined>;
  readonly now: () => Date;
  readonly log: Log;
}): Rounds {
  const stopping = new AbortController();
  let news = Promise.withResolvers<void>();
  const done = walk();

  async function walk(): Promise<void> {
    const { signal } = stopping;
    while (!signal.aborted) {
      news = Promise.withResolvers();
      await either(news.promise, await waitAfterOne(signal));
    }
  }

  async function waitAfterOne(signal: AbortSignal): Promise<number> {
    try {
      const next = await round(signal);
      const dueInMs = next ? next.getTime() - now().getTime() : LONGEST_SLEEP_MS;
      return dueInMs <= 0 ? OVERDUE_SLEEP_MS : Math.min(dueInMs, LONGEST_SLEEP_MS);
    } catch (thrown) {
      const { code, message } = StewardError.from(thrown);
      if (code !== 'STORE_UNAVAILABLE')
        log.error('round failed and is tried again', { of: name, code, reason: message });
      return FAILED_SLEEP_MS;
    }
  }

  return {
    wake: () => news.resolve(),
    async stop() {
      stopping.abort();
      news.resolve();
      await done;
    },
  };
}

async function either(news: Promise<void>, waitMs: number): Promise<void> {
  const over = Promise.withResolvers<void>();
  const timer = setTimeout(over.resolve, waitMs);
  await Promise.race([news, over.promise]);
  clearTimeout(timer);
}
