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
  /** How long ago the oldest that is not in the store yet was taken, as far as it was read. */
  behindMs(): number;
}

/** A delivery with the event that tells of it, or with why there can be none. */
interface Told {
  readonly delivery: Delivery;
  readonly draft?: EventDraft;
  readonly problem?: string;
}

const BATCH = 1_000;
const LOOK_MS = 2_000;
const FIRST_WAIT_MS = 250;
const LONGEST_WAIT_MS = 15_000;
/** While requests keep the machine busy, the mover rests so many times as long as it worked: they are answered, and events come later. */
const REST = 3;
const LONGEST_REST_MS = 1_000;
/** So late may events be for that; or until half of the journal is full. */
const MOST_BEHIND_MS = 60_000;

/**
 * Brings deliveries from the journal to the store: row and event in one transaction. Whatever was brought before, by this
 * process or by one that was killed before it could say so, is known by its id and told of once.
 */
export function createMover({
  journal,
  store,
  node,
  mostBytes,
  isBusy,
  now,
  log,
}: {
  readonly journal: Pick<Journal, 'read' | 'settle' | 'bytes' | 'onNews'>;
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly node: string;
  readonly mostBytes: () => number;
  /** Whether those who take requests have hardly any time left. */
  readonly isBusy: () => boolean;
  readonly now: () => Date;
  readonly log: Log;
}): Mover {
  const db = store.db.withTables<WebhookTables>();
  const stopping = new AbortController();
  const { signal } = stopping;
  let news = Promise.withResolvers<void>();
  let loop: Promise<void> | undefined;
  journal.onNews(() => news.resolve());

  let inHand: readonly Delivery[] = [];
  const behindMs = (): number => Math.max(0, now().getTime() - (inHand[0]?.receivedAt ?? now()).getTime());

  async function moveAll(): Promise<void> {
    let failures = 0;
    while (!signal.aborted) {
      try {
        news = Promise.withResolvers();
        if (inHand.length === 0) inHand = await journal.read(BATCH);
        const some = inHand.length > 0;
        const behind = behindMs();
        const began = performance.now();
        if (some) await bringAll(inHand);
        inHand = [];
        await journal.settle();
        failures = 0;
        // With an empty journal nothing happens until something comes.
        if (!some) await Promise.race(journal.bytes() > 0 ? [news.promise, pause(LOOK_MS)] : [news.promise]);
        else if (givesWay(behind)) await pause(Math.min(REST * (performance.now() - began), LONGEST_REST_MS));
      } catch (thrown) {
        const { code, message } = StewardError.from(translateDatabaseError(thrown));
        failures += 1;
        log.warn('webhooks wait in the journal, the store does not take them', { code, reason: message, failures });
        await pause(Math.min(FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 10), LONGEST_WAIT_MS));
      }
    }
  }

  function givesWay(behind: number): boolean {
    return isBusy() && behind < MOST_BEHIND_MS && journal.bytes() < mostBytes() / 2;
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
      const known = await trx
        .selectFrom('webhook_deliveries')
        .select('id')
        .where(sql<boolean>`id = any(${deliveries.map(({ delivery }) => delivery.id)}::text[])`)
        .execute();
      const there = new Set(known.map(({ id }) => id));
      const fresh = deliveries.filter(({ delivery }) => !there.has(delivery.id));
      if (fresh.length === 0) return;
      const toTell = fresh.flatMap(({ delivery, draft }) => (draft ? [{ id: delivery.id, draft }] : []));
      const events = await store.events.appendAll(
        trx,
        toTell.map(({ draft }) => draft),
      );
      const eventOfId = new Map(toTell.map(({ id }, index) => [id, events[index]?.id]));
      const column = <T>(of: (delivery: Delivery, problem: string | null) => T): T[] =>
        fresh.map(({ delivery, problem = null }) => of(delivery, problem));
      // Another node that was sent the same at the same moment ends this with a violation, and then it is known.
      await sql`insert into webhook_deliveries
          (id, type, content, body, sender_id, source, address, received_at, state, event_id, problem)
        select id, type, content, body, sender_id, source, address, received_at, state, event_id, problem from unnest(
          ${column(({ id }) => id)}::text[], ${column(({ type }) => type)}::text[],
          ${column(({ content }) => content)}::text[], ${column(({ body }) => body)}::bytea[],
          ${column(({ senderId }) => (senderId === undefined ? null : storableText(senderId)))}::text[],
          ${column(({ source }) => storableText(source))}::text[], ${column(({ address }) => address)}::text[],
          ${column(({ receivedAt }) => receivedAt)}::timestamptz[],
          ${column((_, problem) => (problem === null ? 'told' : 'dead'))}::text[],
          ${column(({ id }) => eventOfId.get(id) ?? null)}::bigint[], ${column((_, problem) => problem)}::text[])
          with ordinality as given
            (id, type, content, body, sender_id, source, address, received_at, state, event_id, problem, at)
        order by at`.execute(trx);
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
    behindMs,
  };
}

/** Says nothing about the delivery: the same will do another time. */
const isAway = (thrown: unknown): boolean =>
  ['STORE_UNAVAILABLE', 'DISK_FULL', 'LOCKED', 'TIMEOUT', 'CONFLICT'].includes(
    StewardError.from(translateDatabaseError(thrown)).code,
  );
