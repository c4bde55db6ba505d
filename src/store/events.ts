import { type RawBuilder, sql, type Transaction } from 'kysely';
import { StewardError } from '../core/errors.ts';
import type { EventDraft, EventType, StewardEvent } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import { tells } from './connection.ts';
import { type ConsumeOptions, type EventConsumer, type EventsDeps, startConsumer } from './event-consumer.ts';
import { type EventTables, settled, settledBelow, toEvent } from './event-tables.ts';

export interface DeadLetter {
  readonly consumer: string;
  readonly event: JsonObject;
  readonly eventId: number;
  readonly attempts: number;
  readonly reason: string;
  readonly at: Date;
}

export interface ConsumerState {
  readonly consumer: string;
  readonly behind: number;
  readonly deadLetters: number;
  readonly seenAt: Date;
}

export interface Events {
  /**
   * Writes the event in the transaction of the state change that it tells of: both happen or neither.
   * Call it late in the transaction: consumers see no later event before this one is committed or gone.
   */
  // oxlint-disable-next-line typescript/no-explicit-any -- any system's tables will do
  append(trx: Transaction<any>, draft: EventDraft): Promise<StewardEvent>;
  /** Several of them, in their order. */
  // oxlint-disable-next-line typescript/no-explicit-any -- any system's tables will do
  appendAll(trx: Transaction<any>, drafts: readonly EventDraft[]): Promise<StewardEvent[]>;
  /**
   * The event as a part of a statement that makes the state change itself, `with changed as (update ...), told as (<this>)`:
   * written once for each row of the expression named. For what happens so often that a transaction of its own would cost too much.
   */
  appending(draft: EventDraft, forEach: RawBuilder<unknown>): RawBuilder<unknown>;
  /**
   * Hands every event to the handler, in order of commit, at least once, across restarts; a handler must be harmless
   * twice. One process at a time serves a consumer name, so a name that contains the node serves each node.
   */
  consume(options: ConsumeOptions): EventConsumer;
  /** Committed events after an id, in the order consumers see them. */
  read(options?: { after?: number; types?: readonly EventType[]; limit?: number }): Promise<StewardEvent[]>;
  /** The last event that `read` would give; 0 where there is none. */
  latestId(): Promise<number>;
  /** Whether an event is there, was removed, or is one that this store has not come to. */
  stateOf(id: number): Promise<'known' | 'removed' | 'ahead'>;
  /** The event, as long as it is kept. */
  get(id: number): Promise<StewardEvent | undefined>;
  /** Which of these a consumer has not come to yet. */
  ahead(consumer: string, ids: readonly number[]): Promise<number[]>;
  /** Deletes events older than the date which every consumer seen since then has handled. Returns how many. */
  prune(olderThan: Date): Promise<number>;
  deadLetters(limit?: number): Promise<DeadLetter[]>;
  consumers(): Promise<ConsumerState[]>;
}

const PRUNE_BATCH = 5_000;

/** `stop` ends every consumer that still runs. */
export function createEvents(deps: EventsDeps): { events: Events; stop: () => Promise<void> } {
  const db = deps.db.withTables<EventTables>();
  const consumers: EventConsumer[] = [];
  const events: Events = {
    append: async (trx, draft) => (await events.appendAll(trx, [draft]))[0] ?? { ...draft, id: 0, at: deps.now() },
    async appendAll(trx, drafts) {
      const [first] = drafts;
      if (!first) return [];
      if (!trx.isTransaction)
        throw new StewardError('INTERNAL', `Event ${first.type} was appended outside a transaction.`);
      const at = deps.now();
      const column = <T>(of: (draft: EventDraft) => T): T[] => drafts.map(of);
      const { rows } = await sql<{ id: number }>`
        ${tells(column(({ type }) => type))} insert into events (at, type, subject_kind, subject_id, node, data, causation, actor)
          select ${at}::timestamptz, type, subject_kind, subject_id, node, data::jsonb, causation::jsonb, actor::jsonb
          from unnest(${column(({ type }) => type)}::text[], ${column(({ subject }) => subject?.kind ?? null)}::text[],
            ${column(({ subject }) => subject?.id ?? null)}::text[], ${column(({ node }) => node ?? null)}::text[],
            ${column(({ data }) => JSON.stringify(data))}::text[], ${column(({ causation }) => orNull(causation))}::text[],
            ${column(({ actor }) => orNull(actor))}::text[])
            with ordinality as given (type, subject_kind, subject_id, node, data, causation, actor, place)
          order by place returning id`.execute(trx);
      return drafts.map((draft, index) => ({ ...draft, id: rows[index]?.id ?? 0, at }));
    },

    appending: (draft, forEach) => sql`
      ${tells([draft.type])} insert into events (at, type, subject_kind, subject_id, node, data, causation, actor)
      select ${deps.now()}::timestamptz, ${draft.type}::text, ${draft.subject?.kind ?? null}::text, ${draft.subject?.id ?? null}::text,
        ${draft.node ?? null}::text, ${JSON.stringify(draft.data)}::jsonb, ${orNull(draft.causation)}::jsonb,
        ${orNull(draft.actor)}::jsonb
      from ${forEach} returning id`,

    consume(options) {
      const consumer = startConsumer(deps, options);
      consumers.push(consumer);
      return consumer;
    },

    async read({ after = 0, types, limit = 500 } = {}) {
      const below = await settledBelow(db);
      // The event named may be pruned; its id alone then says where to go on.
      const place = sql<boolean>`case when exists (select from events where id = ${after})
        then (xid, id) > (select xid, id from events where id = ${after}) else id > ${after} end`;
      const rows = await db
        .selectFrom('events')
        .selectAll()
        .where(settled(below))
        .where(place)
        .$if(types !== undefined, (query) => query.where(sql<boolean>`type = any(${types}::text[])`))
        .orderBy('xid')
        .orderBy('id')
        .limit(limit)
        .execute();
      return rows.map(toEvent);
    },

    async latestId() {
      const below = await settledBelow(db);
      const last = await db
        .selectFrom('events')
        .select('id')
        .where(settled(below))
        .orderBy('xid', 'desc')
        .orderBy('id', 'desc')
        .limit(1)
        .executeTakeFirst();
      return last?.id ?? 0;
    },

    async stateOf(id) {
      const { rows } = await sql<{ known: boolean; ahead: boolean }>`
        select exists (select from events where id = ${id}) as known,
          ${id} > coalesce(pg_sequence_last_value(pg_get_serial_sequence('events', 'id')), 0) as ahead`.execute(db);
      return rows[0]?.known ? 'known' : rows[0]?.ahead ? 'ahead' : 'removed';
    },

    async get(id) {
      const row = await db.selectFrom('events').selectAll().where('id', '=', id).executeTakeFirst();
      return row && toEvent(row);
    },

    async ahead(consumer, ids) {
      const { rows } = await sql<{ id: number }>`select e.id from events e
        where e.id = any(${ids}::bigint[]) and not exists (select from event_cursors c
          where c.consumer = ${consumer} and (e.xid, e.id) <= (c.xid, c.event_id))`.execute(db);
      return rows.map(({ id }) => id);
    },

    async prune(olderThan) {
      let total = 0;
      const below = await settledBelow(db);
      for (;;) {
        const { numAffectedRows = 0n } = await sql`delete from events where id in (
          select id from events where at < ${olderThan} and ${settled(below)} and not exists (
            select from event_cursors c where c.seen_at >= ${olderThan} and (c.xid, c.event_id) < (events.xid, events.id))
          limit ${PRUNE_BATCH})`.execute(db);
        total += Number(numAffectedRows);
        if (numAffectedRows < PRUNE_BATCH) break;
      }
      await db.deleteFrom('event_dead_letters').where('at', '<', olderThan).execute();
      return total;
    },

    async deadLetters(limit = 100) {
      const rows = await db.selectFrom('event_dead_letters').selectAll().orderBy('at', 'desc').limit(limit).execute();
      return rows.map(({ event_id, ...row }) => ({ ...row, eventId: event_id }));
    },

    async consumers() {
      const { rows } = await sql<{ consumer: string; behind: number; deadLetters: number; seenAt: Date }>`
        select c.consumer, c.seen_at as "seenAt",
          (select count(*) from events e where (e.xid, e.id) > (c.xid, c.event_id)) as behind,
          (select count(*) from event_dead_letters d where d.consumer = c.consumer) as "deadLetters"
        from event_cursors c order by c.consumer`.execute(db);
      return rows;
    },
  };
  return {
    events,
    async stop() {
      await Promise.all(consumers.map((consumer) => consumer.stop()));
    },
  };
}

/**
 * A store that was moved by dump and restore counts transactions anew, and events to come would sort before those that exist.
 * Then everything there is gets one place before all to come, and each consumer resumes at the first event it had not handled.
 */
export async function rebaseEvents({ db, log }: Pick<EventsDeps, 'db' | 'log'>): Promise<void> {
  await db.transaction().execute(async (trx) => {
    const { rows } = await sql<{ moved: boolean }>`select exists (
      select from events where xid >= pg_snapshot_xmax(pg_current_snapshot()) union all
      select from event_cursors where xid > pg_snapshot_xmax(pg_current_snapshot())) as moved`.execute(trx);
    if (!rows[0]?.moved) return;
    await sql`lock table events, event_cursors in exclusive mode`.execute(trx);
    await sql`update event_cursors c set xid = '1', event_id = coalesce(
      (select min(e.id) - 1 from events e where (e.xid, e.id) > (c.xid, c.event_id)), (select max(id) from events), 0)`.execute(
      trx,
    );
    await sql`update events set xid = '1'`.execute(trx);
    log.warn('events were renumbered: the database was moved to another server');
  });
}

function orNull(value: unknown): string | null {
  return value === undefined ? null : JSON.stringify(value);
}
