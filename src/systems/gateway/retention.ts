import { sql } from 'kysely';
import type { SystemJob } from '../../core/schedule.ts';
import type { AccessLog } from './access-log.ts';
import type { GatewayDb } from './tables.ts';

/** A minute's count goes after two of them; of a shorter window nothing need go sooner. */
const LEAST_MS = 60_000;

export function gatewayRetention({
  db,
  accessLog,
}: {
  readonly db: GatewayDb;
  readonly accessLog: Pick<AccessLog, 'tidy'>;
}): SystemJob {
  return {
    name: 'gateway-retention',
    summary:
      'Forgets counts of the gateway that nothing was added to for two of their windows, and lines of its access log after two weeks.',
    schedule: { every: '5m', jitter: '1m' },
    async run({ now }) {
      await db
        .deleteFrom('gateway_windows')
        .where(
          sql<boolean>`touched + (window_ms + greatest(window_ms, ${LEAST_MS})) * interval '1 millisecond' < ${now}`,
        )
        .execute();
      await accessLog.tidy();
    },
  };
}
