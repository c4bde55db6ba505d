import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { Log } from '../core/log.ts';

/** What comes within this time is told together: whoever is woken has work enough with one look. */
const TOGETHER_MS = 15;

/** Wakes listeners of every process. Nothing rests on it: whoever waits also looks now and then. */
export interface Bell {
  ring(channel: string, payload?: string): void;
}

/**
 * A NOTIFY makes its transaction commit alone, waiting for the disk while all others that notify wait for it. So what changes
 * something commits without one, and the bell rings right after it, for all that came together, in a transaction that waits for nothing.
 */
export function createBell(pool: pg.Pool, log: Log): Bell {
  let waiting = new Map<string, readonly [channel: string, payload: string]>();
  let ringing: Promise<void> | undefined;

  async function work(): Promise<void> {
    while (waiting.size > 0) {
      const now = [...waiting.values()];
      waiting = new Map();
      try {
        await pool.query(
          `select pg_notify(channel, payload) from unnest($1::text[], $2::text[]) as bells (channel, payload)
            where (select set_config('synchronous_commit', 'off', true)) is not null`,
          [now.map(([channel]) => channel), now.map(([, payload]) => payload)],
        );
      } catch (thrown) {
        log.debug('nobody was woken', { reason: (thrown as Error).message });
      }
    }
    // In the same turn as the last look: whoever rings next must start the work anew.
    ringing = undefined;
  }

  return {
    ring(channel, payload = '') {
      waiting.set(`${channel} ${payload}`, [channel, payload]);
      ringing ??= sleep(TOGETHER_MS).then(work);
    },
  };
}
