import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 2_000;

export type Persist = <T>(write: () => Promise<T>) => Promise<T>;

/** Repeats what the store could not take until it can: a run outlives an outage of its database. The write must be harmless twice. */
export function persistence(log: Log, leaving: AbortSignal): Persist {
  return async (write) => {
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      try {
        return await write();
      } catch (thrown) {
        const error = StewardError.from(thrown);
        if (!['STORE_UNAVAILABLE', 'DISK_FULL', 'LOCKED'].includes(error.code) || !error.retryable) throw thrown;
        leaving.throwIfAborted();
        log.debug('store did not take it yet', { reason: error.message });
        await sleep(wait);
      }
    }
  };
}
