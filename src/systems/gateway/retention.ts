import { sql } from 'kysely';
import type { SystemJob } from '../../core/schedule.ts';
import type { AccessLog } from './access-log.ts';
import type { GatewayDb } from './tables.ts';

/** After the end of its window. */
const KEEP_MS = 60 * 60_000;

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
      'Forgets counts of the gateway that nothing was added to for an hour and their window, and lines of its access log after two weeks.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      await db
        .deleteFrom('gateway_windows')
        .where(sql<boolean>`touched + window_ms * interval '1 millisecond' < ${new Date(now.getTime() - KEEP_MS)}`)
        .execute();
      await accessLog.tidy();
    },
  };
}
