import { randomBytes } from 'node:crypto';
import { sql } from 'kysely';
import type { Actor } from '../../core/actor.ts';
import type { EventType } from '../../core/event.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Subscription } from '../../core/subscription.ts';
import type { Store } from '../../store/store.ts';
import type { Queue, Trx } from './queue.ts';
import type { EndpointRow } from './tables.ts';

export interface NewEndpoint extends Pick<
  EndpointRow,
  'id' | 'name' | 'origin' | 'sealed' | 'key_id' | 'host' | 'body' | 'nodes' | 'created_by'
> {
  readonly subscription: Subscription;
}

export type EndpointChange = Partial<Pick<EndpointRow, 'sealed' | 'key_id' | 'host' | 'body' | 'removed_at'>> & {
  readonly subscription?: Subscription;
};

export type Book = ReturnType<typeof createBook>;

export const newEndpointId = (): string => `ep_${randomBytes(8).toString('hex')}`;

/** The endpoints as rows; what becomes of one and the event that tells of it are one transaction. */
export function createBook({
  store,
  queue,
  node,
  now,
}: {
  readonly store: Pick<Store, 'events'>;
  readonly queue: Pick<Queue, 'db' | 'again' | 'wake'>;
  readonly node: string;
  readonly now: () => Date;
}) {
  const { db } = queue;

  async function tell(trx: Trx, type: EventType, row: EndpointRow, data: JsonObject, actor?: Actor): Promise<void> {
    await store.events.append(trx, {
      type,
      subject: { kind: 'endpoint', id: row.id },
      node,
      data: { name: row.name, host: row.host, ...data },
      actor,
    });
  }

  return {
    tell,

    async all(): Promise<EndpointRow[]> {
      return await db
        .selectFrom('webhook_endpoints')
        .selectAll()
        .where('removed_at', 'is', null)
        .orderBy('name')
        .execute();
    },

    async byName(name: string): Promise<EndpointRow | undefined> {
      return await db
        .selectFrom('webhook_endpoints')
        .selectAll()
        .where('name', '=', name)
        .where('removed_at', 'is', null)
        .executeTakeFirst();
    },

    /** Undefined where another has the name already. */
    async add({ subscription, ...endpoint }: NewEndpoint): Promise<EndpointRow | undefined> {
      const row = await db
        .insertInto('webhook_endpoints')
        .values({
          ...endpoint,
          subscription: JSON.stringify(subscription),
          state: 'enabled',
          why: null,
          disabled_at: null,
          disabled_by: null,
          created_at: now(),
          removed_at: null,
          failing_since: null,
          last_failure_at: null,
          not_before: null,
          last_success_at: null,
          last_error: null,
          dropped_told_at: null,
        })
        .onConflict((conflict) => conflict.column('name').where('removed_at', 'is', null).doNothing())
        .returningAll()
        .executeTakeFirst();
      queue.wake();
      return row;
    },

    /** Undefined where it is removed, or where its secrets are others than they were by then. */
    async change(
      id: string,
      { subscription, ...values }: EndpointChange,
      asOf?: Pick<EndpointRow, 'sealed'>,
    ): Promise<EndpointRow | undefined> {
      const row = await db
        .updateTable('webhook_endpoints')
        .set({ ...values, ...(subscription && { subscription: JSON.stringify(subscription) }) })
        .where('id', '=', id)
        .where('removed_at', 'is', null)
        .$if(asOf !== undefined, (query) => query.where('sealed', '=', asOf?.sealed ?? null))
        .returningAll()
        .executeTakeFirst();
      queue.wake();
      return row;
    },

    /** This node has it in its configuration, too. */
    async join(id: string): Promise<void> {
      await db
        .updateTable('webhook_endpoints')
        .set({ nodes: sql<string[]>`array_append(array_remove(nodes, ${node}::text), ${node}::text)` })
        .where('id', '=', id)
        .execute();
      queue.wake();
    },

    /** This node has it no longer; where none of the nodes that are known has it, it is removed. */
    async letGo(id: string, known: readonly string[]): Promise<void> {
      const left = sql<string[]>`array_remove(nodes, ${node}::text)`;
      await db
        .updateTable('webhook_endpoints')
        .set({
          nodes: left,
          removed_at: sql<Date | null>`case when ${left} && ${known}::text[] then null else ${now()}::timestamptz end`,
        })
        .where('id', '=', id)
        .where('removed_at', 'is', null)
        .execute();
      queue.wake();
    },

    /** What waits is kept as missed, as is what comes from now on. False where it is disabled already. */
    async disable(trx: Trx, id: string, why: string, actor?: Actor): Promise<boolean> {
      const row = await trx
        .updateTable('webhook_endpoints')
        .set({ state: 'disabled', why, disabled_at: now(), disabled_by: actor?.name ?? null })
        .where('id', '=', id)
        .where('state', '=', 'enabled')
        .where('removed_at', 'is', null)
        .returningAll()
        .executeTakeFirst();
      if (!row) return false;
      await trx
        .updateTable('endpoint_deliveries')
        .set({ state: 'missed' })
        .where('endpoint_id', '=', id)
        .where('state', '=', 'pending')
        .execute();
      await tell(trx, 'endpoint.disabled', row, { why }, actor);
      return true;
    },

    /** As new; with `replay`, what it missed is sent. Gives how many were missed. */
    async enable(id: string, replay: boolean, actor: Actor): Promise<{ missed: number; row: EndpointRow } | undefined> {
      const outcome = await db.transaction().execute(async (trx) => {
        const row = await trx
          .updateTable('webhook_endpoints')
          .set({
            state: 'enabled',
            why: null,
            disabled_at: null,
            disabled_by: null,
            failures: 0,
            failing_since: null,
            not_before: null,
            last_error: null,
          })
          .where('id', '=', id)
          .where('removed_at', 'is', null)
          .returningAll()
          .executeTakeFirst();
        if (!row) return undefined;
        const { missed } = await trx
          .selectFrom('endpoint_deliveries')
          .select(({ fn }) => fn.countAll<number>().as('missed'))
          .where('endpoint_id', '=', id)
          .where('state', '=', 'missed')
          .executeTakeFirstOrThrow();
        if (replay) await queue.again(trx, id, { states: ['missed'] });
        await tell(trx, 'endpoint.enabled', row, { missed, replayed: replay }, actor);
        return { missed, row };
      });
      queue.wake();
      return outcome;
    },
  };
}
