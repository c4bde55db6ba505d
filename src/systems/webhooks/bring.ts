import { sql } from 'kysely';
import { StewardError } from '../../core/errors.ts';
import type { EventDraft } from '../../core/event.ts';
import type { Log } from '../../core/log.ts';
import { storableText } from '../../core/storable-text.ts';
import { translateDatabaseError } from '../../store/database-errors.ts';
import type { Store } from '../../store/store.ts';
import type { Delivery } from './record.ts';
import type { DeliveryState, WebhookDb } from './tables.ts';
import { eventOf } from './told.ts';
import { type Turns, turnsOf } from './turns.ts';

/** A delivery with the event that tells of it, or with why there can be none. */
interface Told {
  readonly delivery: Delivery;
  readonly draft?: EventDraft;
  readonly problem?: string;
}

/** Throws where the store is away. What it does not take must not keep back what comes after it: that is kept as dead. */
export type BringAll = (deliveries: readonly Delivery[]) => Promise<void>;

/**
 * Brings deliveries to the store: row and event in one transaction. Whatever was brought before, by this process or by one that
 * was killed before it could say so, is known by its id and told of once.
 */
export function createBringAll({
  db,
  store,
  node,
  waitsForDead,
  onHeld,
  log,
}: {
  readonly db: WebhookDb;
  readonly store: Pick<Store, 'events'>;
  readonly node: string;
  readonly waitsForDead: (type: string) => boolean;
  /** Called when something has a key, or is not told of yet. */
  readonly onHeld: () => void;
  readonly log: Log;
}): BringAll {
  async function bringAll(deliveries: readonly Delivery[]): Promise<void> {
    try {
      await bring(told(deliveries));
    } catch (thrown) {
      if (isAway(thrown)) throw thrown;
      for (const delivery of deliveries) {
        try {
          await bring(told([delivery]));
        } catch (failed) {
          if (isAway(failed)) throw failed;
          const problem = StewardError.from(translateDatabaseError(failed)).message;
          log.error('webhook cannot be told of and is kept as dead', { id: delivery.id, reason: problem });
          await bring([{ delivery, problem }]);
        }
      }
    }
  }

  function told(deliveries: readonly Delivery[]): Told[] {
    // One statement takes each id once.
    const once = [...new Map(deliveries.toReversed().map((delivery) => [delivery.id, delivery])).values()].toReversed();
    return once.map((delivery) => ({
      delivery: delivery.key === undefined ? delivery : { ...delivery, key: storableText(delivery.key) },
      ...draftOf(delivery),
    }));
  }

  async function bring(deliveries: readonly Told[]): Promise<void> {
    let waits = false;
    await db.transaction().execute(async (trx) => {
      const known = await trx
        .selectFrom('webhook_deliveries')
        .select('id')
        .where(sql<boolean>`id = any(${deliveries.map(({ delivery }) => delivery.id)}::text[])`)
        .execute();
      const there = new Set(known.map(({ id }) => id));
      const fresh = deliveries.filter(({ delivery }) => !there.has(delivery.id));
      if (fresh.length === 0) return;
      const keys = fresh.flatMap(({ delivery: { type, key } }) => (key === undefined ? [] : [{ type, key }]));
      const turns = await turnsOf(trx, keys, waitsForDead);
      const states = new Map(fresh.map((one) => [one.delivery.id, stateOf(one, turns)]));
      const toTell = fresh.flatMap(({ delivery: { id }, draft }) =>
        draft && states.get(id) !== 'held' ? [{ id, draft }] : [],
      );
      const events = await store.events.appendAll(
        trx,
        toTell.map(({ draft }) => draft),
      );
      const eventOfId = new Map(toTell.map(({ id }, index) => [id, events[index]?.id]));
      const column = <T>(of: (delivery: Delivery, problem: string | null) => T): T[] =>
        fresh.map(({ delivery, problem = null }) => of(delivery, problem));
      // Another node that was sent the same at the same moment ends this with a violation, and then it is known.
      await sql`insert into webhook_deliveries
          (id, type, key, content, body, sender_id, source, address, received_at, state, event_id, problem)
        select id, type, key, content, body, sender_id, source, address, received_at, state, event_id, problem from unnest(
          ${column(({ id }) => id)}::text[], ${column(({ type }) => type)}::text[],
          ${column(({ key }) => key ?? null)}::text[],
          ${column(({ content }) => content)}::text[], ${column(({ body }) => body)}::bytea[],
          ${column(({ senderId }) => (senderId === undefined ? null : storableText(senderId)))}::text[],
          ${column(({ source }) => storableText(source))}::text[], ${column(({ address }) => address)}::text[],
          ${column(({ receivedAt }) => receivedAt)}::timestamptz[],
          ${column(({ id }) => states.get(id) ?? 'told')}::text[],
          ${column(({ id }) => eventOfId.get(id) ?? null)}::bigint[], ${column((_, problem) => problem)}::text[])
          with ordinality as given
            (id, type, key, content, body, sender_id, source, address, received_at, state, event_id, problem, at)
        order by at`.execute(trx);
      waits = [...states.values()].some((state) => state === 'held' || state === 'open');
    });
    if (waits) onHeld();
  }

  function stateOf({ delivery, problem }: Told, turns: Turns): DeliveryState {
    if (problem !== undefined) return 'dead';
    if (!turns.take(delivery)) return 'held';
    return delivery.key === undefined ? 'told' : 'open';
  }

  function draftOf(delivery: Delivery): Pick<Told, 'draft' | 'problem'> {
    if (delivery.problem !== undefined) return { problem: storableText(delivery.problem) };
    try {
      return { draft: eventOf(delivery, node, false) };
    } catch (thrown) {
      return { problem: StewardError.from(thrown).message };
    }
  }

  return bringAll;
}

/** Says nothing about the delivery: the same will do another time. */
const isAway = (thrown: unknown): boolean =>
  ['STORE_UNAVAILABLE', 'DISK_FULL', 'LOCKED', 'TIMEOUT', 'CONFLICT'].includes(
    StewardError.from(translateDatabaseError(thrown)).code,
  );
