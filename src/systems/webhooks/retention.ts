import type { SystemJob } from '../../core/schedule.ts';
import type { WebhookDb } from './tables.ts';

export function webhookRetention({ db, keepMs }: { db: WebhookDb; keepMs: () => number }): SystemJob {
  return {
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
  };
}
