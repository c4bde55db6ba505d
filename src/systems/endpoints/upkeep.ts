import type { Incidents } from '../../core/incident.ts';
import type { SystemJob } from '../../core/schedule.ts';
import type { Queue } from './queue.ts';
import { DISABLED, type Trouble, UNDELIVERED } from './trouble.ts';

const DAY_MS = 86_400_000;

/** What is forgotten, which incidents are over, and which were never opened. */
export function endpointJobs({
  queue: { db, lock, ring },
  incidents,
  trouble,
  keepMs,
}: {
  readonly queue: Pick<Queue, 'db' | 'lock' | 'ring'>;
  readonly incidents: Pick<Incidents, 'unresolved' | 'resolve'>;
  readonly trouble: Trouble;
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
      summary:
        'Ends incidents of endpoints to which everything was delivered for a day, or that are no more, and opens those that are missing.',
      schedule: { every: '5m', overlap: 'skip' },
      async run({ now }) {
        const rows = await db
          .selectFrom('webhook_endpoints as e')
          .selectAll()
          .select((eb) =>
            eb
              .selectFrom('endpoint_deliveries')
              .select(({ fn }) => fn.max('finished_at').as('at'))
              .whereRef('endpoint_id', '=', 'e.id')
              .where('state', 'in', ['failed', 'dropped'])
              .where('finished_at', '>', new Date(now.getTime() - DAY_MS))
              .as('lost_at'),
          )
          .where('removed_at', 'is', null)
          .execute();
        for (const { id, symptom, fingerprint } of await incidents.unresolved()) {
          if (symptom !== UNDELIVERED && symptom !== DISABLED) continue;
          const row = rows.find((each) => fingerprint === `${symptom}:${each.id}`);
          if (!row) await incidents.resolve(id, 'The endpoint was removed.');
          else if (symptom === DISABLED && row.state === 'enabled') await incidents.resolve(id, 'It is enabled again.');
          else if (symptom === UNDELIVERED && !row.lost_at)
            await incidents.resolve(id, 'Everything was delivered for a day, or sent again.');
        }
        // What became of it is on record; who was to tell of it may have ended in between.
        for (const row of rows) {
          if (row.state === 'disabled' && row.disabled_at && row.disabled_by === null)
            await trouble.disabled(row, row.why ?? '', row.disabled_at);
          if (row.lost_at) await trouble.undelivered(row, 'Deliveries were given up or let go.', row.lost_at);
        }
      },
    },
  ];
}
