import type { SystemJob } from '../../core/schedule.ts';
import type { Log } from '../../core/log.ts';
import { clearAside } from './aside.ts';
import type { Outcomes } from './outcomes.ts';
import type { WebhookDb } from './tables.ts';

export function webhookJobs({
  db,
  folder,
  keepMs,
  outcomes,
  log,
}: {
  readonly db: WebhookDb;
  /** Of the journal. */
  readonly folder: string;
  readonly log: Log;
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
        const before = new Date(now.getTime() - keepMs());
        await db
          .deleteFrom('webhook_deliveries')
          .where('received_at', '<', before)
          // What waits for its turn stays, however long it is kept waiting.
          .where('state', 'in', ['told', 'dead'])
          .execute();
        for (const { name, bytes } of await clearAside(folder, { before }))
          log.warn('a damaged webhook journal was removed, its time is up', { file: name, bytes });
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
