import { sql } from 'kysely';
import type { StewardEvent } from '../../core/event.ts';
import type { Json } from '../../core/json.ts';
import { storableText } from '../../core/storable-text.ts';
import { valueAt } from '../../core/reference.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import type { Store } from '../../store/store.ts';
import type { WebhookDb, WebhookTables } from './tables.ts';
import type { RetryPolicy } from './types.ts';

type Status = WebhookTables['webhook_executions']['status'];

/**
 * Writes down what each delivery started and what came of it: what failed begins again by the policy of its type, and what failed
 * for good makes the delivery dead. From the events of workflows, at least once each.
 */
export function followOutcomes({
  events,
  db,
  retryOf,
  onNews,
}: {
  readonly events: Store['events'];
  readonly db: WebhookDb;
  readonly retryOf: (type: string) => RetryPolicy;
  readonly onNews: () => void;
}): EventConsumer {
  async function started(event: StewardEvent, execution: string): Promise<void> {
    const eventId = event.causation?.eventId;
    const sent = eventId === undefined ? undefined : await events.get(eventId);
    const delivery = sent?.type === 'webhook.received' ? sent.data['id'] : undefined;
    if (eventId === undefined || typeof delivery !== 'string') return;
    const workflow = event.subject?.id ?? '';
    await sql`insert into webhook_executions (execution_id, delivery_id, event_id, workflow, attempt, status, started_at)
      select ${execution}::text, d.id, ${eventId}::bigint, ${workflow}::text, 1 + (select count(*) from webhook_executions e
        where e.delivery_id = d.id and e.event_id = ${eventId} and e.workflow = ${workflow}), 'running', ${event.at}::timestamptz
      from webhook_deliveries d where d.id = ${delivery} on conflict (execution_id) do nothing`.execute(db);
  }

  async function finished(event: StewardEvent, execution: string, status: Status): Promise<void> {
    const why = text(valueAt(event.data, 'error.message')) ?? `it is ${status}`;
    await db.transaction().execute(async (trx) => {
      const row = await trx
        .updateTable('webhook_executions')
        .set({ status, problem: status === 'succeeded' ? null : storableText(why), finished_at: event.at })
        .where('execution_id', '=', execution)
        .where('finished_at', 'is', null)
        .returning(['delivery_id', 'event_id', 'workflow', 'attempt'])
        .executeTakeFirst();
      if (!row) return;
      const delivery = await trx
        .selectFrom('webhook_deliveries')
        .select(['type', 'state', 'key'])
        .where('id', '=', row.delivery_id)
        .forUpdate()
        .executeTakeFirst();
      if (!delivery || delivery.state === 'held') return;
      const set = (patch: { state: 'open' | 'told' | 'retrying' | 'dead'; problem: string | null }) =>
        trx.updateTable('webhook_deliveries').set(patch).where('id', '=', row.delivery_id).execute();
      if (status === 'failed') {
        const { attempts, backoffMs } = retryOf(delivery.type);
        const problem = storableText(`${row.workflow} failed: ${why}`);
        if (row.attempt >= attempts) return void (await set({ state: 'dead', problem }));
        await trx
          .updateTable('webhook_executions')
          .set({ retry_at: new Date(event.at.getTime() + backoffMs * 2 ** (row.attempt - 1)) })
          .where('execution_id', '=', execution)
          .execute();
        if (delivery.state !== 'dead') await set({ state: 'retrying', problem });
        return;
      }
      if (delivery.state !== 'retrying') return;
      const left = await trx
        .selectFrom('webhook_executions')
        .select('execution_id')
        .where('delivery_id', '=', row.delivery_id)
        .where((where) => where.or([where('status', '=', 'running'), where('retry_at', 'is not', null)]))
        .executeTakeFirst();
      if (!left) await set({ state: delivery.key === null ? 'told' : 'open', problem: null });
    });
  }

  return events.consume({
    consumer: 'webhooks',
    types: ['workflow.started', 'workflow.finished'],
    from: 'now',
    async handle(event) {
      const { trigger, executionId, dryRun, status } = event.data;
      if (trigger !== 'webhook' || typeof executionId !== 'string' || dryRun === true) return;
      if (event.type === 'workflow.started') await started(event, executionId);
      else await finished(event, executionId, status as Status);
      onNews();
    },
  });
}

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
