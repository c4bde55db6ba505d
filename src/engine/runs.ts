import { type Insertable, type Kysely, type RawBuilder, sql, type Transaction, type Updateable } from 'kysely';
import type { Actor } from '../core/actor.ts';
import { StewardError } from '../core/errors.ts';
import type { EventDraft, EventType } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import type { Page } from '../core/operation.ts';
import { isFinal, mayBecome, type Run, type RunStatus } from '../core/run.ts';
import type { RunQuery } from '../core/run-service.ts';
import type { Store } from '../store/store.ts';
import { createRunNews, type RunNews } from './run-news.ts';
import { type RunRow, toRun } from './run-rows.ts';
import type { EngineTables, RunsTable } from './tables.ts';

export type Patch = Omit<Updateable<RunsTable>, 'id' | 'status'>;
type Trx = Transaction<EngineTables>;

/**
 * The transaction is not waited for until it is on the disk, and a crash of the database server may forget it, though a process that
 * outlives the crash has seen it done. Only for what nothing rests on.
 */
export const UNHURRIED = sql<boolean>`set_config('synchronous_commit', 'off', true) is not null`;

export interface Transition {
  readonly to: RunStatus;
  readonly patch?: Patch | undefined;
  readonly actor?: Actor | undefined;
  /** Where it is not in one of these, nothing happens and the row is given as it is. */
  readonly from?: readonly RunStatus[] | undefined;
  /** One more event, before those of the transition. */
  readonly tell?: { readonly type: EventType; readonly data: JsonObject } | undefined;
  /** The run as it was read a moment ago: where it is still that, it is not read again. */
  readonly seen?: RunRow | undefined;
  readonly also?: ((trx: Trx, row: RunRow) => Promise<void>) | undefined;
}

export interface Moved {
  readonly row: RunRow;
  readonly moved: boolean;
}

export interface Runs {
  insert(
    row: Insertable<RunsTable>,
    also?: (trx: Trx) => Promise<void>,
  ): Promise<{ readonly run: Run; readonly row: RunRow }>;
  row(id: string): Promise<RunRow | undefined>;
  get(id: string): Promise<Run | undefined>;
  byKey(idempotencyKey: string): Promise<Run | undefined>;
  list(query: RunQuery): Promise<Page<Run>>;
  /** Moves the run, writes its events, and tells whether it moved: a move made already is harmless, a forbidden one is a CONFLICT. */
  move(id: string, transition: Transition): Promise<Moved>;
  /** The beginning of a run as it was just read, in one statement; undefined where it is another by now. */
  begin(row: RunRow, to: 'planning' | 'running'): Promise<Moved | undefined>;
  patch(id: string, patch: Patch): Promise<void>;
  readonly news: RunNews;
  readonly db: Kysely<EngineTables>;
}

export function createRuns({
  store,
  now,
  nodeId,
  onFinal,
}: {
  store: Store;
  now: () => Date;
  nodeId: string;
  /** In the transaction in which a run ends. */
  onFinal?: ((trx: Trx, row: RunRow) => Promise<void>) | undefined;
}): Runs {
  const db = store.db.withTables<EngineTables>();

  async function withChanges(rows: readonly RunRow[]): Promise<Run[]> {
    if (rows.length === 0) return [];
    const ids = rows.map(({ id }) => id);
    const changes = await db
      .selectFrom('run_changes')
      .selectAll()
      .where('run_id', 'in', ids)
      .orderBy('position')
      .execute();
    const byRun = Map.groupBy(changes, ({ run_id }) => run_id);
    return rows.map((row) => toRun(row, byRun.get(row.id) ?? []));
  }

  async function one(row: RunRow | undefined): Promise<Run | undefined> {
    return row && (await withChanges([row]))[0];
  }

  const draft = (type: EventType, row: RunRow, actor?: Actor): EventDraft => ({
    type,
    subject: { kind: 'run', id: row.id },
    data: dataOf(row),
    causation: { ...row.causation, runId: row.id },
    actor: actor ?? row.actor,
    node: nodeId,
  });

  /** Told where the run moved; nothing that begins has two to tell. */
  const told = ([event]: readonly EventDraft[]): RawBuilder<{ id: number }> =>
    sql<{ id: number }>`(${event ? store.events.appending(event, sql`moved`) : sql`select 0 as id`})`;

  /** What an event tells of a run that is about to be stored. */
  const asRow = (values: Insertable<RunsTable>): RunRow => ({
    ...(values as unknown as RunRow),
    actor: JSON.parse(values.actor),
    causation: JSON.parse(values.causation),
    target: values.target ? JSON.parse(values.target) : null,
    error: null,
    plan_hash: null,
  });

  const news = createRunNews(store);

  return {
    db,
    news,
    async insert(values, also) {
      if (!also) {
        const kept = await db
          .with('moved', (query) => query.insertInto('runs').values(values).returningAll())
          .with('told', () => told([draft('run.queued', asRow(values))]))
          .selectFrom('moved')
          .selectAll()
          .executeTakeFirstOrThrow();
        return { run: toRun(kept, []), row: kept };
      }
      return await db.transaction().execute(async (trx) => {
        await also?.(trx);
        const row = await trx.insertInto('runs').values(values).returningAll().executeTakeFirstOrThrow();
        await store.events.append(trx, draft('run.queued', row));
        return { run: toRun(row, []), row };
      });
    },
    row: async (id) => await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst(),
    get: async (id) => await one(await db.selectFrom('runs').selectAll().where('id', '=', id).executeTakeFirst()),
    byKey: async (key) =>
      await one(await db.selectFrom('runs').selectAll().where('idempotency_key', '=', key).executeTakeFirst()),

    async list({ automation, status, targetId, since, limit = 100, cursor }) {
      const rows = await db
        .selectFrom('runs')
        .selectAll()
        .$if(automation !== undefined, (query) => query.where('automation', '=', automation ?? ''))
        .$if(status !== undefined && status.length > 0, (query) => query.where('status', 'in', status ?? []))
        .$if(targetId !== undefined, (query) => query.where('target_id', '=', targetId ?? ''))
        .$if(since !== undefined, (query) => query.where('created_at', '>=', since ?? now()))
        .$if(cursor !== undefined, (query) => query.where('id', '<', cursor ?? ''))
        .orderBy('id', 'desc')
        .limit(limit + 1)
        .execute();
      const items = await withChanges(rows.slice(0, limit));
      return { items, ...(rows.length > limit && { next: items.at(-1)?.id }) };
    },

    async move(id, { to, patch, actor, from, tell, seen, also }) {
      const at = now();
      const set = async (trx: Trx, before: RunRow): Promise<RunRow | undefined> =>
        await trx
          .updateTable('runs')
          .set({
            ...patch,
            status: to,
            ...(isFinal(to) && { finished_at: at, expires_at: null }),
            ...(to === 'running' || to === 'planning' ? { started_at: before.started_at ?? at } : {}),
          })
          .where('id', '=', id)
          .where('status', '=', before.status)
          .where('epoch', '=', before.epoch)
          .returningAll()
          .executeTakeFirst();
      const result = await db.transaction().execute(async (trx) => {
        // As it was just read, if nobody was faster; otherwise as it is.
        const moved =
          seen && mayBecome(seen.status, to) && (!from || from.includes(seen.status))
            ? await set(trx, seen)
            : undefined;
        const before =
          moved && seen
            ? seen
            : await trx.selectFrom('runs').selectAll().where('id', '=', id).forUpdate().executeTakeFirst();
        if (!before) throw new StewardError('NOT_FOUND', `There is no run ${id}.`);
        if (!moved) {
          if (from && !from.includes(before.status)) return { row: before, moved: false };
          if (before.status === to) return { row: before, moved: false };
          if (!mayBecome(before.status, to))
            throw new StewardError('CONFLICT', `Run ${id} is ${before.status} and cannot become ${to}.`);
        }
        const row = moved ?? (await set(trx, before));
        if (!row) throw new StewardError('INTERNAL', `Run ${id} moved although it was held.`);
        await also?.(trx, row);
        if (isFinal(to)) await onFinal?.(trx, row);
        const drafts = eventsOf(before, row).map((type) => draft(type, row, actor));
        const more = tell && draft(tell.type, row, actor);
        await store.events.appendAll(trx, [
          ...(more ? [{ ...more, data: { ...more.data, ...tell.data } }] : []),
          ...drafts,
        ]);
        return { row, moved: true };
      });
      if (result.moved) news.tell(id, result.row.status);
      return result;
    },

    async begin(before, to) {
      const begins = { ...before, status: to };
      if (!mayBecome(before.status, to)) return undefined;
      const row = await db
        .with('moved', (query) =>
          query
            .updateTable('runs')
            .set({ status: to, started_at: before.started_at ?? now() })
            .where('id', '=', before.id)
            .where('status', '=', before.status)
            .where('epoch', '=', before.epoch)
            .returningAll(),
        )
        .with('told', () => told(eventsOf(before, begins).map((type) => draft(type, begins))))
        .selectFrom('moved')
        .selectAll()
        .executeTakeFirst();
      if (row) news.tell(row.id, to);
      return row && { row, moved: true };
    },

    async patch(id, patch) {
      await db.updateTable('runs').set(patch).where('id', '=', id).execute();
    },
  };
}

function eventsOf(before: RunRow, row: RunRow): EventType[] {
  const { status, dry_run: dryRun } = row;
  const planned: EventType[] =
    before.status === 'planning' &&
    row.plan_hash !== null &&
    (status === 'waiting-approval' || status === 'queued' || (status === 'succeeded' && dryRun))
      ? ['run.planned']
      : [];
  switch (status) {
    case 'queued':
      return before.status === 'waiting-approval' ? ['run.approved'] : planned;
    case 'waiting-approval':
      return [...planned, 'run.waiting-approval'];
    case 'running':
      return ['run.started'];
    case 'succeeded':
      return [...planned, 'run.succeeded', 'run.finished'];
    case 'failed':
    case 'rollback-failed':
      return ['run.failed', 'run.finished'];
    case 'rolled-back':
      return ['run.rolled-back', 'run.finished'];
    case 'canceled':
      return ['run.canceled', 'run.finished'];
    case 'stale':
    case 'rejected':
    case 'expired':
      return ['run.finished'];
    case 'planning':
    case 'rolling-back':
      return [];
  }
}

function dataOf(row: RunRow): JsonObject {
  return {
    runId: row.id,
    automation: row.automation,
    status: row.status,
    trigger: row.trigger,
    dryRun: row.dry_run,
    ...(row.target && { target: row.target }),
    ...(row.plan_hash !== null && { planHash: row.plan_hash }),
    ...(row.error && {
      error: { code: row.error.code, message: row.error.message, ...(row.error.phase && { phase: row.error.phase }) },
    }),
  };
}
