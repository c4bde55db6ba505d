import { sql } from 'kysely';
import type { Incidents } from '../../core/incident.ts';
import type { SystemJob } from '../../core/schedule.ts';
import type { Queue } from './queue.ts';
import { DISABLED, UNDELIVERED } from './trouble.ts';

const DAY_MS = 86_400_000;

/** What is forgotten, and which incidents are over. */
export function endpointJobs({
  queue: { db, lock, ring },
  incidents,
  keepMs,
}: {
  readonly queue: Pick<Queue, 'db' | 'lock' | 'ring'>;
  readonly incidents: Pick<Incidents, 'unresolved' | 'resolve'>;
  readonly keepMs: () => number;
}): SystemJob[] {
  return [
    {
      name: 'endpoint-retention',
      summary: 'Forgets what was sent to endpoints, and removed endpoints, longer ago than retention.webhooks.',
      schedule: { every: '1h', jitter: '10m' },
      async run({ now }) {
        const before = new Date(now.getTime() - keepMs());
        for (const { id } of await db.selectFrom('webhook_endpoints').select('id').execute())
          await db.transaction().execute(async (trx) => {
            await lock(trx, id);
            await trx
              .deleteFrom('endpoint_deliveries')
              .where('endpoint_id', '=', id)
              .where('created_at', '<', before)
              .where('state', '<>', 'pending')
              .execute();
          });
        // Whoever found one of them held has turned away.
        ring();
        await db.deleteFrom('webhook_endpoints').where('removed_at', '<', before).execute();
      },
    },
    {
      name: 'endpoint-incidents',
      summary: 'Ends incidents of endpoints to which everything was delivered for a day, or that are no more.',
      schedule: { every: '5m', overlap: 'skip' },
      async run({ now }) {
        const { rows } = await sql<{ id: string; state: string; lost: boolean }>`
          select e.id, e.state, exists (select from endpoint_deliveries d where d.endpoint_id = e.id
            and d.state in ('failed', 'dropped') and d.finished_at > ${new Date(now.getTime() - DAY_MS)}) as lost
          from webhook_endpoints e where e.removed_at is null`.execute(db);
        for (const { id, symptom, fingerprint } of await incidents.unresolved()) {
          if (symptom !== UNDELIVERED && symptom !== DISABLED) continue;
          const row = rows.find((each) => fingerprint === `${symptom}:${each.id}`);
          if (!row) await incidents.resolve(id, 'The endpoint was removed.');
          else if (symptom === DISABLED && row.state === 'enabled') await incidents.resolve(id, 'It is enabled again.');
          else if (symptom === UNDELIVERED && !row.lost)
            await incidents.resolve(id, 'Everything was delivered for a day, or sent again.');
        }
      },
    },
  ];
}
