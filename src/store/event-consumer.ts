import { setTimeout as sleep } from 'node:timers/promises';
import { type Kysely, sql } from 'kysely';
import { StewardError } from '../core/errors.ts';
import { EVENTS, type EventType, type StewardEvent } from '../core/event.ts';
import type { Log } from '../core/log.ts';
import type { NoTables } from './connection.ts';
import { translateDatabaseError } from './database-errors.ts';
import { EVENTS_CHANNEL, type EventRow, type EventTables, settled, settledBelow, toEvent } from './event-tables.ts';
import type { Session } from './session.ts';

export interface EventsDeps {
  readonly db: Kysely<NoTables>;
  readonly session: Session;
  readonly now: () => Date;
  readonly log: Log;
}

export interface ConsumeOptions {
  readonly consumer: string;
  /**
   * Every type where it is left out. A function is asked at each look: what is wanted may change. It is asked after what is looked at was
   * settled: whatever was on record before one of these events happened, it can see.
   */
  readonly types?: readonly EventType[] | (() => Promise<(type: EventType) => boolean>) | undefined;
  /** Where a consumer that was never seen begins. */
  readonly from?: 'beginning' | 'now' | undefined;
  handle(event: StewardEvent, signal: AbortSignal): Promise<void>;
  /** Is told why an event is set aside, before it is; at least once. */
  onSetAside?: ((event: StewardEvent, error: StewardError) => Promise<void>) | undefined;
  /**
   * What an event is about, where its order matters only among events about the same: a few in a row that are about different things
   * are handled at once. Without it, or where it says nothing, an event is handled alone.
   */
  readonly about?: ((event: StewardEvent) => string | undefined) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** How often a handler may fail on one event before it is set aside as a dead letter. */
  readonly attempts?: number | undefined;
  /** Before the second attempt; doubles from there. */
  readonly backoffMs?: number | undefined;
  /** Looks without having been woken, should a notification be lost. */
  readonly pollMs?: number | undefined;
}

export interface EventConsumer {
  /** Resolves once the event in hand is done. */
  stop(): Promise<void>;
}

const EVENT_TYPES = Object.keys(EVENTS) as EventType[];
const BATCH = 200;
/** Each takes a connection now and then, and others need some too. */
const AT_ONCE = 6;
const LONGEST_WAIT_MS = 30_000;
const UNSETTLED_MS = 25;
/** What a consumer does not want wakes it so much later: in masses it must not cost a look for each. */
const UNWANTED_MS = 500;
const SEEN_EVERY_MS = 3_600_000;

export function startConsumer(deps: EventsDeps, options: ConsumeOptions): EventConsumer {
  const { session, now, log } = deps;
  const { consumer, types, from = 'beginning', attempts: allowed = 5, backoffMs = 200, pollMs = 5_000 } = options;
  const db = deps.db.withTables<EventTables>();
  const stopping = new AbortController();
  const signal = options.signal ? AbortSignal.any([options.signal, stopping.signal]) : stopping.signal;
  const lock = `consumer:${consumer}`;
  let news = Promise.withResolvers<void>();
  let passingOver: NodeJS.Timeout | undefined;
  /** As of the last look: whoever wants more by now hears of it with what nobody wanted. */
  let wanted: readonly EventType[] = EVENT_TYPES;
  const unlisten = session.listen(EVENTS_CHANNEL, hear);
  const done = work();

  function hear(type: string | undefined): void {
    // A node of an older release does not say what it was.
    if (!type || wanted.includes(type as EventType)) return news.resolve();
    // Not all at the same moment.
    passingOver ??= setTimeout(
      () => {
        passingOver = undefined;
        news.resolve();
      },
      UNWANTED_MS * (0.5 + Math.random()),
    ).unref();
  }

  async function work(): Promise<void> {
    while (!signal.aborted) {
      try {
        // Before the look, so that what is told of while looking is looked for again.
        news = Promise.withResolvers();
        // Another process serves this consumer as long as it holds the lock.
        if (!(await session.holdLock(lock))) await Promise.race([news.promise, pause(pollMs)]);
        else {
          const found = await nextBatch();
          if (found !== 'some')
            await Promise.race([news.promise, pause(found === 'unsettled' ? UNSETTLED_MS : pollMs)]);
        }
      } catch (thrown) {
        const { code, message } = StewardError.from(translateDatabaseError(thrown));
        if (code !== 'STORE_UNAVAILABLE')
          log.error('event consumer failed and tries again', { consumer, reason: message });
        await pause(Math.min(pollMs, 1_000));
      }
    }
    unlisten();
    clearTimeout(passingOver);
    await session.releaseLock(lock);
  }

  /** Handles what is there. What is unsettled has to wait for an older transaction, and nothing tells when that ends. */
  async function nextBatch(): Promise<'some' | 'unsettled' | 'none'> {
    const cursor = await currentCursor();
    if (!cursor.beyond) {
      if (now().getTime() - cursor.seen_at.getTime() > SEEN_EVERY_MS) await advance(cursor.xid, cursor.event_id);
      return 'none';
    }
    let { attempts } = cursor;
    const below = await settledBelow(db);
    const beyond = db
      .selectFrom('events')
      .where(sql<boolean>`(xid, id) > (${cursor.xid}::xid8, ${cursor.event_id}::bigint)`)
      .where(settled(below));
    wanted = await wantedTypes();
    // Whatever else happens, in masses maybe, is passed over in the database.
    const rows = await beyond
      .selectAll()
      .$if(types !== undefined, (query) => query.where(sql<boolean>`type = any(${wanted}::text[])`))
      .orderBy('xid')
      .orderBy('id')
      .limit(BATCH)
      .execute();
    // What is settled does not change: where there are no more of them, there are none up to its end.
    const end =
      rows.length === BATCH
        ? undefined
        : await beyond.select(['xid', 'id']).orderBy('xid', 'desc').orderBy('id', 'desc').limit(1).executeTakeFirst();
    for (const group of inGroups(rows)) {
      const last = group.at(-1);
      if (signal.aborted || !last) return 'some';
      const before = attempts;
      const done = await Promise.allSettled(group.map((row) => handled(toEvent(row), before)));
      for (const one of done) if (one.status === 'rejected') throw one.reason;
      if (done.some((one) => one.status === 'fulfilled' && !one.value)) return 'some';
      await advance(last.xid, last.id);
      attempts = 0;
    }
    if (end && end.id !== rows.at(-1)?.id) await advance(end.xid, end.id, { unwanted: true });
    return end || rows.length > 0 ? 'some' : 'unsettled';
  }

  async function wantedTypes(): Promise<readonly EventType[]> {
    return typeof types === 'function' ? EVENT_TYPES.filter(await types()) : (types ?? EVENT_TYPES);
  }

  /** In their order; those of one group may be handled at once. */
  function inGroups(rows: readonly EventRow[]): EventRow[][] {
    const groups: EventRow[][] = [];
    let subjects = new Set<string>();
    for (const row of rows) {
      const subject = options.about?.(toEvent(row));
      const fits = subject !== undefined && subjects.size > 0 && subjects.size < AT_ONCE && !subjects.has(subject);
      if (!fits) subjects = new Set();
      if (subject !== undefined) subjects.add(subject);
      const group = fits ? groups.at(-1) : undefined;
      if (group) group.push(row);
      else groups.push([row]);
    }
    return groups;
  }

  /** `beyond`: whether there is any event after it. At rest this is the only question. */
  async function currentCursor() {
    const known = await db
      .selectFrom('event_cursors as c')
      .selectAll()
      // The last one decides, and an index knows it: whether there is one beyond is answered by reading all of them otherwise.
      .select(
        sql<boolean>`coalesce((c.xid, c.event_id) < (select e.xid, e.id from events e order by e.xid desc, e.id desc limit 1), false)`.as(
          'beyond',
        ),
      )
      .where('consumer', '=', consumer)
      .executeTakeFirst();
    if (known) return known;
    const begun = await db
      .insertInto('event_cursors')
      .values({
        consumer,
        xid: from === 'now' ? await settledBelow(db) : '0',
        event_id: 0,
        seen_at: now(),
      })
      .returningAll()
      .executeTakeFirstOrThrow();
    return { ...begun, beyond: true };
  }

  /** What was passed over can be passed over again: that waits for no disk. */
  async function advance(xid: string, eventId: number, { unwanted = false } = {}): Promise<void> {
    await db
      .updateTable('event_cursors')
      .set({ xid, event_id: eventId, attempts: 0, seen_at: now() })
      .where('consumer', '=', consumer)
      // A process that lost its lock without noticing must not push the cursor back.
      .where(sql<boolean>`(xid, event_id) <= (${xid}::xid8, ${eventId}::bigint)`)
      .$if(unwanted, (query) =>
        query.where(sql<boolean>`(select set_config('synchronous_commit', 'off', true)) is not null`),
      )
      .execute();
  }

  /** True when the event is done with, as a dead letter if need be; false when the consumer stops before. */
  async function handled(event: StewardEvent, failedBefore: number): Promise<boolean> {
    for (let attempts = failedBefore; ;) {
      try {
        await options.handle(event, signal);
        return true;
      } catch (thrown) {
        const error = StewardError.from(translateDatabaseError(thrown));
        if (signal.aborted) return false;
        // The database being away says nothing about the event.
        if (error.code === 'STORE_UNAVAILABLE') throw error;
        attempts += 1;
        log.warn('event handler failed', {
          consumer,
          event: event.id,
          type: event.type,
          attempts,
          reason: error.message,
        });
        if (attempts >= allowed) {
          await setAside(event, attempts, error);
          return true;
        }
        await db.updateTable('event_cursors').set({ attempts }).where('consumer', '=', consumer).execute();
      }
      await pause(Math.min(backoffMs * 2 ** (attempts - 1), LONGEST_WAIT_MS));
      if (signal.aborted) return false;
    }
  }

  async function setAside(event: StewardEvent, attempts: number, error: StewardError): Promise<void> {
    const reason = `${error.code}: ${error.message}`;
    try {
      await options.onSetAside?.(event, error);
    } catch (thrown) {
      const failed = StewardError.from(translateDatabaseError(thrown));
      if (failed.code === 'STORE_UNAVAILABLE') throw failed;
      log.error('nobody was told of an event that is set aside', { consumer, event: event.id, reason: failed.message });
    }
    await db
      .insertInto('event_dead_letters')
      .values({ consumer, event_id: event.id, event: JSON.stringify(event), attempts, reason, at: now() })
      .onConflict((conflict) => conflict.columns(['consumer', 'event_id']).doUpdateSet({ attempts, reason, at: now() }))
      .execute();
    log.error('event set aside', { consumer, event: event.id, type: event.type, attempts, reason });
  }

  async function pause(milliseconds: number): Promise<void> {
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined);
  }

  return {
    async stop() {
      stopping.abort();
      await done;
    },
  };
}
