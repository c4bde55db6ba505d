import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { systemActor } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { WorkflowService } from '../../core/run-service.ts';
import type { Store } from '../../store/store.ts';
import type { WebhookDb, WebhookRow } from './tables.ts';
import { eventOf } from './told.ts';
import { lockTurns } from './turns.ts';

/** Tells of what was held when its turn has come, and begins again what failed. */
export interface Release {
  start(): void;
  /** Something may have changed whose turn it is. */
  nudge(): void;
  stop(): Promise<void>;
}

export interface ReleaseDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly db: WebhookDb;
  readonly workflows: Pick<WorkflowService, 'startedBy' | 'retry'>;
  readonly waitsForDead: () => readonly string[];
  readonly node: string;
  readonly now: () => Date;
  readonly log: Log;
}

const AT_ONCE = 200;
const SOON_MS = 100;
const WHILE_SOME_MS = 1_000;
const AT_REST_MS = 60_000;
const AGAIN_MS = 60_000;

export function createRelease({ store, db, workflows, waitsForDead, node, now, log }: ReleaseDeps): Release {
  const stopping = new AbortController();
  const { signal } = stopping;
  let news = Promise.withResolvers<void>();
  /** As far as the open ones were looked at: some may stay open for hours, and those behind them are not to wait for that. */
  let looked = 0;
  let loop: Promise<void> | undefined;

  async function work(): Promise<void> {
    while (!signal.aborted) {
      news = Promise.withResolvers();
      let rest = AT_REST_MS;
      try {
        const done = (await retryDue()) + (await closeOver()) + (await tellHeld());
        rest = done > 0 ? SOON_MS : (await someLeft()) ? WHILE_SOME_MS : AT_REST_MS;
      } catch (thrown) {
        const { code, message } = StewardError.from(thrown);
        if (code !== 'STORE_UNAVAILABLE') log.error('webhooks that wait were not looked at', { reason: message });
        rest = WHILE_SOME_MS;
      }
      // Whatever comes meanwhile is looked at together.
      await pause(SOON_MS);
      await Promise.race([news.promise, pause(rest)]);
    }
  }

  async function someLeft(): Promise<boolean> {
    const row = await db
      .selectFrom('webhook_deliveries')
      .select('id')
      .where('state', 'in', ['held', 'open', 'retrying'])
      .limit(1)
      .executeTakeFirst();
    return row !== undefined;
  }

  async function retryDue(): Promise<number> {
    const due = await db
      .selectFrom('webhook_executions')
      .select('execution_id')
      .where('retry_at', '<=', now())
      .orderBy('retry_at')
      .limit(AT_ONCE)
      .execute();
    for (const { execution_id: id } of due) {
      let again: Date | null = null;
      try {
        await workflows.retry(id, { actor: systemActor('webhooks'), trigger: 'webhook' });
      } catch (thrown) {
        const { code, message } = StewardError.from(thrown);
        // It was begun again before, and then this was not written down; or by somebody else.
        if (code !== 'CONFLICT') {
          log.warn('workflow of a webhook was not begun again', { execution: id, reason: message });
          again = new Date(now().getTime() + AGAIN_MS);
        }
      }
      await db
        .updateTable('webhook_executions')
        .set({ retry_at: again })
        .where('execution_id', '=', id)
        // Not where it was replayed meanwhile.
        .where('retry_at', 'is not', null)
        .execute();
    }
    return due.length;
  }

  /** Those whose event has been handled, and all of what it and those before it started has ended. Says how many, or that there are more to look at. */
  async function closeOver(): Promise<number> {
    const open = await db
      .selectFrom('webhook_deliveries as d')
      .select(['id', 'event_id', 'place'])
      .where('state', '=', 'open')
      .where('place', '>', looked)
      .where(
        sql<boolean>`not exists (select from webhook_executions e where e.delivery_id = d.id
          and (e.status = 'running' or e.retry_at is not null))`,
      )
      .orderBy('place')
      .limit(AT_ONCE)
      .execute();
    const more = open.length === AT_ONCE;
    looked = more ? (open.at(-1)?.place ?? 0) : 0;
    if (open.length === 0) return 0;
    const events = open.flatMap(({ event_id: event }) => (event === null ? [] : [event]));
    const ahead = new Set(await store.events.ahead('workflows', events));
    const begun = await workflows.startedBy(events);
    const known = await db
      .selectFrom('webhook_executions')
      .select(['execution_id', 'event_id', 'status', 'retry_at'])
      .where(
        sql<boolean>`event_id = any(${events}::bigint[]) and delivery_id = any(${open.map(({ id }) => id)}::text[])`,
      )
      .execute();
    const seen = new Set(known.map(({ execution_id: id }) => id));
    const busy = new Set([
      ...ahead,
      ...begun.filter(({ executionId }) => !seen.has(executionId)).map(({ eventId }) => eventId),
      ...known.filter((one) => one.status === 'running' || one.retry_at !== null).map((one) => one.event_id),
    ]);
    const over = open.filter(({ event_id: event }) => event === null || !busy.has(event)).map(({ id }) => id);
    if (over.length === 0) return more ? open.length : 0;
    await db
      .updateTable('webhook_deliveries')
      .set({ state: 'told' })
      .where('state', '=', 'open')
      .where(sql<boolean>`id = any(${over}::text[])`)
      .execute();
    return over.length;
  }

  async function tellHeld(): Promise<number> {
    return await db.transaction().execute(async (trx) => {
      const any = await trx
        .selectFrom('webhook_deliveries')
        .select('id')
        .where('state', '=', 'held')
        .limit(1)
        .execute();
      if (any.length === 0) return 0;
      await lockTurns(trx);
      const { rows } = await sql<WebhookRow>`select d.* from webhook_deliveries d where d.state = 'held'
        and not exists (select from webhook_pauses p where p.type = d.type)
        and (d.key is null or not exists (select from webhook_executions e where e.delivery_id = d.id and e.status = 'running'))
        and (d.key is null or not exists (select from webhook_deliveries o
          where o.type = d.type and o.key = d.key and o.state <> 'told' and o.id <> d.id
            and (o.state in ('open', 'retrying') or (o.place < d.place
              and (o.state = 'held' or (o.state = 'dead' and o.type = any(${waitsForDead()}::text[])))))))
        order by d.place limit ${AT_ONCE}`.execute(trx);
      const told = rows.map((row) => ({ row, ...draftOf(row) }));
      const toTell = told.flatMap(({ row, draft }) => (draft ? [{ row, draft }] : []));
      const events = await store.events.appendAll(
        trx,
        toTell.map(({ draft }) => draft),
      );
      for (const [index, { row }] of toTell.entries())
        await trx
          .updateTable('webhook_deliveries')
          .set({ state: row.key === null ? 'told' : 'open', event_id: events[index]?.id ?? null, problem: null })
          .where('id', '=', row.id)
          .execute();
      for (const { row, problem } of told)
        if (problem !== undefined)
          await trx
            .updateTable('webhook_deliveries')
            .set({ state: 'dead', problem })
            .where('id', '=', row.id)
            .execute();
      return told.length;
    });
  }

  function draftOf(row: WebhookRow) {
    try {
      return { draft: eventOf({ ...row, receivedAt: row.received_at }, node, row.replays > 0) };
    } catch (thrown) {
      return { problem: StewardError.from(thrown).message };
    }
  }

  async function pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
  }

  return {
    start() {
      loop ??= work();
    },
    nudge: () => news.resolve(),
    async stop() {
      stopping.abort();
      news.resolve();
      await loop;
    },
  };
}
