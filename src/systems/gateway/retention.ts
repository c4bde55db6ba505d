import type { SystemJob } from '../../core/schedule.ts';
import type { GatewayDb } from './tables.ts';

/** Longer than the longest window that is counted. */
const KEEP_MS = 60 * 60_000;

export function gatewayRetention({ db }: { readonly db: GatewayDb }): SystemJob {
  return {
    name: 'gateway-retention',
    summary: 'Forgets counts of the gateway that nothing was added to for an hour.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      await db
        .deleteFrom('gateway_windows')
        .where('touched', '<', new Date(now.getTime() - KEEP_MS))
        .execute();
    },
  };
}
