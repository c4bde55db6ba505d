import type { Kysely } from 'kysely';
import type { SystemJob } from '../../core/schedule.ts';
import type { HeartbeatTables } from './tables.ts';

const ABSENT_MS = 30 * 86_400_000;

export function heartbeatRetention({ db, keepMs }: { db: Kysely<HeartbeatTables>; keepMs: () => number }): SystemJob {
  return {
    name: 'heartbeat-retention',
    summary: 'Forgets what jobs said longer ago than single results are kept, and heartbeats that were removed.',
    schedule: { every: '1h', jitter: '10m' },
    async run({ now }) {
      const before = new Date(now.getTime() - keepMs());
      await db.deleteFrom('heartbeat_pings').where('at', '<', before).execute();
      await db.deleteFrom('heartbeats').where('removed_at', '<', before).execute();
      await db
        .deleteFrom('heartbeat_presence')
        .where('seen_at', '<', new Date(now.getTime() - ABSENT_MS))
        .execute();
    },
  };
}
