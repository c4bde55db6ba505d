import type { SystemJob } from '../../core/schedule.ts';
import type { Outcomes } from './outcomes.ts';
import type { WebhookDb } from './tables.ts';

export function webhookJobs({
  db,
  keepMs,
  outcomes,
}: {
  readonly db: WebhookDb;
  readonly keepMs: () => number;
  /** Nothing before it has begun. */
  readonly outcomes: () => Pick<Outcomes, 'catchUp'> | undefined;
}): SystemJob[] {
  return [
    {
      name: 'webhook-retention',
      summary: 'Forgets webhooks with what they said, longer ago than retention.webhooks.',
      schedule: { every: '1h', jitter: '10m' },
      async run({ now }) {
        await db
          .deleteFrom('webhook_deliveries')
          .where('received_at', '<', new Date(now.getTime() - keepMs()))
          // What waits for its turn stays, however long it is kept waiting.
          .where('state', 'in', ['told', 'dead'])
          .execute();
      },
    },
    {
      name: 'webhook-outcomes',
      summary: 'Asks what became of workflows that webhooks started, where nothing told of their end.',
      schedule: { every: '1m', overlap: 'skip' },
      async run() {
        await outcomes()?.catchUp();
      },
    },
  ];
}
