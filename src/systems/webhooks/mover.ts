import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import { StewardError } from '../../core/errors.ts';
import type { EventDraft } from '../../core/event.ts';
import type { Log } from '../../core/log.ts';
import { storableText } from '../../core/storable-text.ts';
import { translateDatabaseError } from '../../store/database-errors.ts';
import type { Store } from '../../store/store.ts';
import type { Journal } from './journal.ts';
import type { Delivery } from './record.ts';
import type { WebhookTables } from './tables.ts';
import { eventOf } from './told.ts';

export interface Mover {
  start(): void;
  /** Resolves when what it has in hand is in the store, or could not be brought there. */
  stop(): Promise<void>;
}

/** A delivery with the event that tells of it, or with why there can be none. */
interface Told {
  readonly delivery: Delivery;
  readonly draft?: EventDraft;
  readonly problem?: string;
}

const BATCH = 200;
const LOOK_MS = 2_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;

/**
 * Brings deliveries from the journal to the store: row and event in one transaction. Whatever was brought before, by this
 * process or by one that was killed before it could say so, is known by its id and told of once.
 */
export function createMover({
  journal,
  store,
  node,
  log,
}: {
  readonly journal: Journal;
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly node: string;
  readonly log: Log;
}): Mover {
  const db = store.db.withTables<WebhookTables>();
  const stopping = new AbortController();
  const { signal } = stopping;
  let news = Promise.withResolvers<void>();
  let loop: Promise<void> | undefined;
  journal.onNews(() => news.resolve());

  async function moveAll(): Promise<void> {
    let inHand: readonly Delivery[] = [];
    let failures = 0;
    while (!signal.aborted) {
      try {
        news = Promise.withResolvers();
        if (inHand.length === 0) inHand = await journal.next(BATCH);
        if (inHand.length > 0) await bringAll(inHand);
        const some = inHand.length > 0;
        inHand = [];
        await journal.settle();
        failures = 0;
        // With an empty journal nothing happens until something comes.
        if (!some) await Promise.race(journal.bytes() > 0 ? [news.promise, pause(LOOK_MS)] : [news.promise]);
      } catch (thrown) {
        const { code, message } = StewardError.from(translateDatabaseError(thrown));
        failures += 1;
        log.warn('webhooks wait in the journal, the store does not take them', { code, reason: message, failures });
        await pause(Math.min(FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 10), LONGEST_WAIT_MS));
      }
    }
  }

  /** What the store does not take must not keep back what comes after it: it is kept as dead. */
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
    return once.map((delivery) => ({ delivery, ...draftOf(delivery) }));
  }

  async function bring(deliveries: readonly Told[]): Promise<void> {
    await db.transaction().execute(async (trx) => {
      const rows = await trx
        .insertInto('webhook_deliveries')
        .values(
          deliveries.map(({ delivery, problem }) => ({
            id: delivery.id,
            type: delivery.type,
            content: delivery.content,
            body: delivery.body,
            sender_id: delivery.senderId === undefined ? null : storableText(delivery.senderId),
            source: storableText(delivery.source),
            address: delivery.address,
            received_at: delivery.receivedAt,
            state: problem === undefined ? ('told' as const) : ('dead' as const),
            event_id: null,
            problem: problem ?? null,
          })),
        )
        .onConflict((conflict) => conflict.column('id').doNothing())
        .returning('id')
        .execute();
      const fresh = new Set(rows.map(({ id }) => id));
      const toTell = deliveries.flatMap(({ delivery, draft }) =>
        draft && fresh.has(delivery.id) ? [{ delivery, draft }] : [],
      );
      const events = await store.events.appendAll(
        trx,
        toTell.map(({ draft }) => draft),
      );
      if (events.length === 0) return;
      await sql`update webhook_deliveries d set event_id = e.event
        from unnest(${toTell.map(({ delivery }) => delivery.id)}::text[], ${events.map(({ id }) => id)}::bigint[]) as e (id, event)
        where d.id = e.id`.execute(trx);
    });
  }

  function draftOf(delivery: Delivery): Pick<Told, 'draft' | 'problem'> {
    try {
      return { draft: eventOf(delivery, node, false) };
    } catch (thrown) {
      return { problem: StewardError.from(thrown).message };
    }
  }

  async function pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
  }

  return {
    start() {
      loop ??= moveAll();
    },
    async stop() {
      stopping.abort();
      news.resolve();
      await loop;
    },
  };
}

const isAway = (thrown: unknown): boolean =>
  StewardError.from(translateDatabaseError(thrown)).code === 'STORE_UNAVAILABLE';
