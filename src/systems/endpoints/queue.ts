import { randomUUID } from 'node:crypto';
import { type SelectQueryBuilder, sql, type Transaction } from 'kysely';
import type { StewardEvent } from '../../core/event.ts';
import type { Store } from '../../store/store.ts';
import type { DeliveryRow, EndpointDb, EndpointRow, EndpointTables } from './tables.ts';

/** There are other endpoints, or something is due at another time than it was. */
export const ENDPOINTS_CHANNEL = 'steward_endpoints';
/** There is something to deliver. */
export const DELIVERIES_CHANNEL = 'steward_endpoint_deliveries';

export type Trx = Transaction<EndpointTables>;

export interface Claim {
  readonly delivery: DeliveryRow;
  readonly endpoint: EndpointRow;
  readonly since: Date;
}

export interface Outcome {
  readonly status?: number | undefined;
  readonly said: string;
}

/** Longer than any attempt: after it, whoever had the delivery in hand is gone. */
const CLAIM_MS = 60_000;

export type Queue = ReturnType<typeof createQueue>;

/** What is to be sent, and to whom: written before anything is sent, so that no end of the process loses one. */
export function createQueue({
  store,
  now,
  backlog,
}: {
  readonly store: Pick<Store, 'db' | 'ring'>;
  readonly now: () => Date;
  /** So many may wait for one endpoint. */
  readonly backlog: () => number;
}) {
  const db: EndpointDb = store.db.withTables<EndpointTables>();

  /** Deliveries of each endpoint that this process added since it looked whether too much waits. */
  const added = new Map<string, number>();

  /** Counting what waits costs more the more it is, so of many it is not done for each. */
  function isTimeToCount(endpointId: string): boolean {
    const count = (added.get(endpointId) ?? 0) + 1;
    const due = count >= backlog() / 100;
    added.set(endpointId, due ? 0 : count);
    return due;
  }

  /** Whoever changes deliveries holds their endpoint first: in one order everywhere, so that no two wait for each other. */
  async function lock(trx: Trx, endpointId: string): Promise<EndpointRow | undefined> {
    return await trx
      .selectFrom('webhook_endpoints')
      .selectAll()
      .where('id', '=', endpointId)
      .forUpdate()
      .executeTakeFirst();
  }

  /** The oldest of what waits, above the most that may, are let go: what is sent again only until it is replayed once more. Gives how many. */
  async function dropAbove(trx: Trx, endpointId: string): Promise<number> {
    const { rows } = await sql`
      update endpoint_deliveries set finished_at = ${now()},
        state = case when finished_at is null then 'dropped' else 'failed' end,
        body = case when finished_at is null then '' else body end
      where claimed_by is null and state in ('pending', 'missed') and place in (
        select place from endpoint_deliveries where endpoint_id = ${endpointId} and state in ('pending', 'missed')
        order by place desc offset ${backlog()}) returning place`.execute(trx);
    if (rows.length > 0)
      await trx
        .updateTable('webhook_endpoints')
        .set(({ eb }) => ({ dropped: eb('dropped', '+', rows.length) }))
        .where('id', '=', endpointId)
        .execute();
    return rows.length;
  }

  return {
    db,
    lock,

    /** Once for each event and endpoint. Gives how many others were dropped for it. */
    async add(trx: Trx, endpointId: string, event: StewardEvent, body: string): Promise<number> {
      const { rows } = await sql`
        with e as (select id, state from webhook_endpoints where id = ${endpointId} and removed_at is null for update)
        insert into endpoint_deliveries (id, endpoint_id, event_id, type, body, state, next_at, created_at)
        select ${`msg_${randomUUID().replaceAll('-', '')}`}, e.id, ${event.id}::bigint, ${event.type}, ${body},
          case when e.state = 'enabled' then 'pending' else 'missed' end, ${now()}::timestamptz, ${now()}::timestamptz
        from e on conflict (endpoint_id, event_id) do nothing returning place`.execute(trx);
      return rows.length > 0 && isTimeToCount(endpointId) ? await dropAbove(trx, endpointId) : 0;
    },

    /**
     * The next delivery of an endpoint, claimed and counted: an attempt that ends with the process was one all the same. Each endpoint has
     * one in hand at a time, on whichever node, so that it hears of things in their order.
     */
    async claim(endpointId: string, node: string): Promise<Claim | undefined> {
      const since = now();
      return await db.transaction().execute(async (trx) => {
        const endpoint = await trx
          .selectFrom('webhook_endpoints')
          .selectAll()
          .where('id', '=', endpointId)
          .where('state', '=', 'enabled')
          .where('removed_at', 'is', null)
          .where((eb) => eb.or([eb('not_before', 'is', null), eb('not_before', '<=', since)]))
          .forUpdate()
          .skipLocked()
          .executeTakeFirst();
        if (!endpoint) return undefined;
        // A statement of its own: it sees what whoever held the endpoint before has claimed.
        const { rows } = await sql<DeliveryRow>`
          update endpoint_deliveries set attempts = attempts + 1, claimed_by = ${node}, claim = ${randomUUID()},
            next_at = ${new Date(since.getTime() + CLAIM_MS)}
          where place = (
            select place from endpoint_deliveries where endpoint_id = ${endpointId} and state = 'pending' and next_at <= ${since}
              and not exists (select from endpoint_deliveries h where h.endpoint_id = ${endpointId}
                and h.claimed_by is not null and h.next_at > ${since})
            order by place limit 1)
          returning *`.execute(trx);
        const [delivery] = rows;
        return delivery && { delivery, endpoint, since };
      });
    },

    /** Gives back what this node had in hand when it ended. */
    async unclaim(node: string): Promise<void> {
      await db
        .updateTable('endpoint_deliveries')
        .set({ next_at: now(), claimed_by: null, claim: null })
        .where('claimed_by', '=', node)
        .where('state', 'in', ['pending', 'missed'])
        .execute();
    },

    /** Gives a delivery back as if nothing had been tried. */
    async putBack({ delivery }: Claim): Promise<void> {
      await db
        .updateTable('endpoint_deliveries')
        .set({ next_at: now(), claimed_by: null, claim: null, attempts: sql`greatest(attempts - 1, 0)` })
        .where('claim', '=', delivery.claim)
        .where('place', '=', delivery.place)
        .execute();
    },

    /** Ends an attempt, for who holds the endpoint: false where somebody else has the delivery by now. */
    async settle(
      trx: Trx,
      { delivery, since }: Claim,
      { status, said }: Outcome,
      to: { readonly state: 'delivered' | 'failed' } | { readonly nextAt: Date },
    ): Promise<boolean> {
      const at = now();
      const { numUpdatedRows } = await trx
        .updateTable('endpoint_deliveries')
        .set({
          claimed_by: null,
          claim: null,
          ...('state' in to ? { ...to, finished_at: at } : { next_at: to.nextAt }),
        })
        .where('place', '=', delivery.place)
        .where('claim', '=', delivery.claim)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) return false;
      const took = Math.max(0, at.getTime() - since.getTime());
      await trx
        .insertInto('endpoint_attempts')
        .values({ delivery_id: delivery.id, at: since, took_ms: took, status: status ?? null, said })
        .execute();
      return true;
    },

    /**
     * Those of an endpoint, sent again from now on, in their order and under their ids; of what does not wait already, the oldest as far as
     * there is room. What is in hand stays there.
     */
    async again(
      trx: Trx,
      endpointId: string,
      which: {
        readonly states: readonly DeliveryRow['state'][];
        readonly id?: string | undefined;
        readonly from?: Date | undefined;
        readonly until?: Date | undefined;
      },
    ): Promise<{ replayed: number; left: number }> {
      await lock(trx, endpointId);
      const all = trx.selectFrom('endpoint_deliveries').where('endpoint_id', '=', endpointId);
      let meant = all.where('state', 'in', which.states);
      if (which.id !== undefined) meant = meant.where('id', '=', which.id);
      if (which.from) meant = meant.where('created_at', '>=', which.from);
      if (which.until) meant = meant.where('created_at', '<', which.until);
      const [found, waiting] = [await count(meant), await count(all.where('state', 'in', ['pending', 'missed']))];
      const waits = meant.where('state', '=', 'missed').select('place');
      const fits = meant
        .where('state', '<>', 'missed')
        .select('place')
        .orderBy('place')
        .limit(Math.max(0, backlog() - waiting));
      const { numUpdatedRows } = await trx
        .updateTable('endpoint_deliveries')
        .set({
          state: 'pending',
          attempts: 0,
          next_at: sql`case when claimed_by is null then ${now()}::timestamptz else next_at end`,
        })
        .where((eb) => eb.or([eb('place', 'in', waits), eb('place', 'in', fits)]))
        .executeTakeFirst();
      const replayed = Number(numUpdatedRows);
      return { replayed, left: found - replayed };
    },

    /** When something is next due for these endpoints; undefined where nothing is. */
    async nextDue(endpointIds: readonly string[]): Promise<Date | undefined> {
      const { rows } = await sql<{ at: Date | null }>`
        select min(greatest(d.next_at, e.not_before)) as at
        from webhook_endpoints e cross join lateral (
          select min(next_at) as next_at from endpoint_deliveries where endpoint_id = e.id and state = 'pending') d
        where e.id = any(${[...endpointIds]}::text[]) and e.state = 'enabled' and d.next_at is not null`.execute(db);
      return rows[0]?.at ?? undefined;
    },

    wake: () => store.ring(ENDPOINTS_CHANNEL),
    ring: () => store.ring(DELIVERIES_CHANNEL),
  };
}

async function count(rows: SelectQueryBuilder<EndpointTables, 'endpoint_deliveries', unknown>): Promise<number> {
  const { number } = await rows.select(({ fn }) => fn.countAll<number>().as('number')).executeTakeFirstOrThrow();
  return number;
}
