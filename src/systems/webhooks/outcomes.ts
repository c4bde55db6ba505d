import { sql } from 'kysely';
import type { StewardEvent } from '../../core/event.ts';
import type { Json } from '../../core/json.ts';
import { storableText } from '../../core/storable-text.ts';
import type { WorkflowService } from '../../core/run-service.ts';
import { valueAt } from '../../core/reference.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import type { Store } from '../../store/store.ts';
import type { WebhookDb, WebhookTables } from './tables.ts';
import type { RetryPolicy } from './types.ts';

/** How an execution ended. */
interface End {
  readonly status: Status;
  readonly at: Date;
  readonly why?: string | undefined;
}

/** What an event of a delivery started. */
interface Begun {
  readonly delivery: string;
  readonly eventId: number;
  readonly workflow: string;
  readonly at: Date;
}

type Status = WebhookTables['webhook_executions']['status'];

export interface Outcomes extends EventConsumer {
  /** Asks the workflows themselves about what is begun or runs by what is written down, some of it each time. */
  catchUp(): Promise<void>;
}

const AT_ONCE = 500;

/**
 * Writes down what each delivery started and what came of it: what failed begins again by the policy of its type, and what failed
 * for good makes the delivery dead. From the events of workflows, at least once each.
 */
export function followOutcomes({
  events,
  db,
  workflows,
  retryOf,
  onNews,
  now,
}: {
  readonly events: Store['events'];
  readonly db: WebhookDb;
  readonly retryOf: (type: string) => RetryPolicy;
  readonly onNews: () => void;
  readonly workflows: Pick<WorkflowService, 'startedBy' | 'execution'>;
  readonly now: () => Date;
}): Outcomes {
  /** As far as the last look came. */
  const caughtUp = { execution: '', place: 0 };

  /** Which delivery an event came of, by which event of it. */
  async function cameOf({ causation }: StewardEvent): Promise<Pick<Begun, 'delivery' | 'eventId'> | undefined> {
    const eventId = causation?.eventId;
    const sent = eventId === undefined ? undefined : await events.get(eventId);
    const delivery = sent?.type === 'webhook.received' ? sent.data['id'] : undefined;
    return eventId !== undefined && typeof delivery === 'string' ? { delivery, eventId } : undefined;
  }

  /** What it should have started it did not: as if that had failed for good. */
  async function notStarted(event: StewardEvent): Promise<void> {
    const came = await cameOf(event);
    if (!came) return;
    const why = text(valueAt(event.data, 'error.message')) ?? 'no reason is known';
    await db
      .updateTable('webhook_deliveries')
      .set({ state: 'dead', problem: storableText(`${event.subject?.id ?? ''} could not be started: ${why}`) })
      .where('id', '=', came.delivery)
      .where('event_id', '=', came.eventId)
      .where('state', '<>', 'held')
      .execute();
  }

  async function started(event: StewardEvent, execution: string): Promise<void> {
    const { delivery, eventId } = (await cameOf(event)) ?? {};
    if (delivery === undefined || eventId === undefined) return;
    await writeDown(execution, { delivery, eventId, workflow: event.subject?.id ?? '', at: event.at });
  }

  async function writeDown(execution: string, { delivery, eventId, workflow, at }: Begun): Promise<void> {
    await sql`insert into webhook_executions (execution_id, delivery_id, event_id, workflow, attempt, status, started_at)
      select ${execution}::text, d.id, ${eventId}::bigint, ${workflow}::text, 1 + (select count(*) from webhook_executions e
        where e.delivery_id = d.id and e.event_id = ${eventId} and e.workflow = ${workflow}), 'running', ${at}::timestamptz
      from webhook_deliveries d where d.id = ${delivery} on conflict (execution_id) do nothing`.execute(db);
  }

  async function finished(execution: string, { status, at, why = `it is ${status}` }: End): Promise<void> {
    await db.transaction().execute(async (trx) => {
      // First the delivery and then what it started, as a replay goes about it.
      const delivery = await trx
        .selectFrom('webhook_deliveries')
        .select(['type', 'state', 'key', 'event_id'])
        .where('id', '=', ({ selectFrom }) =>
          selectFrom('webhook_executions').select('delivery_id').where('execution_id', '=', execution),
        )
        .forUpdate()
        .executeTakeFirst();
      const row = await trx
        .updateTable('webhook_executions')
        .set({ status, problem: status === 'succeeded' ? null : storableText(why), finished_at: at })
        .where('execution_id', '=', execution)
        .where('finished_at', 'is', null)
        .returning(['delivery_id', 'event_id', 'workflow', 'attempt'])
        .executeTakeFirst();
      if (!row || !delivery || delivery.state === 'held') return;
      // It was replayed meanwhile: how it stands is said by what was started last.
      if (row.event_id !== delivery.event_id) return;
      const set = (patch: { state: 'open' | 'told' | 'retrying' | 'dead'; problem: string | null }) =>
        trx.updateTable('webhook_deliveries').set(patch).where('id', '=', row.delivery_id).execute();
      if (status === 'failed') {
        const { attempts, backoffMs } = retryOf(delivery.type);
        const problem = storableText(`${row.workflow} failed: ${why}`);
        if (row.attempt >= attempts) return void (await set({ state: 'dead', problem }));
        await trx
          .updateTable('webhook_executions')
          .set({ retry_at: new Date(at.getTime() + backoffMs * 2 ** (row.attempt - 1)) })
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
        .where('event_id', '=', row.event_id)
        .where((where) => where.or([where('status', '=', 'running'), where('retry_at', 'is not', null)]))
        .executeTakeFirst();
      if (!left) await set({ state: delivery.key === null ? 'told' : 'open', problem: null });
    });
  }

  /** An event that this consumer failed on is set aside: its execution would run for ever here, and keep its key for itself. */
  async function catchUpWithEnds(): Promise<void> {
    const running = await db
      .selectFrom('webhook_executions')
      .select('execution_id')
      .where('status', '=', 'running')
      .where('execution_id', '>', caughtUp.execution)
      .orderBy('execution_id')
      .limit(AT_ONCE)
      .execute();
    caughtUp.execution = running.length === AT_ONCE ? (running.at(-1)?.execution_id ?? '') : '';
    for (const { execution_id: id } of running) {
      const found = await workflows.execution(id);
      if (!found) await finished(id, { status: 'canceled', at: now(), why: 'it is not kept any more' });
      else if (found.status !== 'running' && found.status !== 'waiting')
        await finished(id, {
          status: found.status,
          at: found.finishedAt ?? now(),
          why: text(valueAt(found.error ?? {}, 'message')),
        });
    }
  }

  async function catchUpWithBeginnings(): Promise<void> {
    const open = await db
      .selectFrom('webhook_deliveries')
      .select(['id', 'event_id', 'place'])
      .where('state', '=', 'open')
      .where('place', '>', caughtUp.place)
      .orderBy('place')
      .limit(AT_ONCE)
      .execute();
    caughtUp.place = open.length === AT_ONCE ? (open.at(-1)?.place ?? 0) : 0;
    const deliveryOf = new Map(open.map(({ id, event_id: event }) => [event, id]));
    const events = open.flatMap(({ event_id: event }) => (event === null ? [] : [event]));
    for (const { executionId, eventId } of await workflows.startedBy(events)) {
      const delivery = deliveryOf.get(eventId);
      const found = delivery !== undefined && (await workflows.execution(executionId));
      if (found) await writeDown(executionId, { delivery, eventId, workflow: found.workflow, at: found.startedAt });
    }
  }

  const consumer = events.consume({
    consumer: 'webhooks',
    types: ['workflow.started', 'workflow.finished', 'workflow.not-started'],
    from: 'now',
    async handle(event) {
      if (event.type === 'workflow.not-started') {
        await notStarted(event);
        return onNews();
      }
      const { trigger, executionId, dryRun, status } = event.data;
      if (trigger !== 'webhook' || typeof executionId !== 'string' || dryRun === true) return;
      if (event.type === 'workflow.started') await started(event, executionId);
      else
        await finished(executionId, {
          status: status as Status,
          at: event.at,
          why: text(valueAt(event.data, 'error.message')),
        });
      onNews();
    },
  });
  return {
    ...consumer,
    async catchUp() {
      await catchUpWithBeginnings();
      await catchUpWithEnds();
      onNews();
    },
  };
}

const text = (value: Json | undefined): string | undefined => (typeof value === 'string' ? value : undefined);
