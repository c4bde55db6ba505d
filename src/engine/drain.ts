import { type Kysely, sql } from 'kysely';
import type { Actor } from '../core/actor.ts';
import { StewardError } from '../core/errors.ts';
import type { EventType } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import type { NodeRecord } from '../core/node.ts';
import type { Store } from '../store/store.ts';
import type { NodeRow } from './node-directory.ts';
import { type Nodes, NODES_CHANNEL } from './nodes.ts';
import type { RunRow } from './run-rows.ts';
import type { Runs } from './runs.ts';
import type { EngineTables } from './tables.ts';

/** What people decide about nodes. */
export interface NodeCare {
  /** The node takes no new work from now on; what runs there ends, and its own machine is still healed. */
  drain(reference: string, actor: Actor): Promise<NodeRecord>;
  resume(reference: string, actor: Actor): Promise<NodeRecord>;
  /** TIMEOUT where something still runs there when time is up. */
  waitDrained(reference: string, timeoutMs: number): Promise<NodeRecord>;
  /** An empty value takes the label away again; one of the configuration is then in force. */
  label(reference: string, key: string, value: string): Promise<NodeRecord>;
  /** Forgets a node that will not come back, and ends what waited for it. */
  remove(
    reference: string,
    actor: Actor,
  ): Promise<{ readonly id: string; readonly name: string; readonly expired: number }>;
}

interface NodeCareDeps {
  readonly store: Store;
  readonly db: Kysely<EngineTables>;
  readonly nodes: Nodes;
  readonly runs: Runs;
  readonly log: Log;
  readonly nodeId: string;
  /** Takes the run's workflow out of its queue. */
  readonly forget: (row: RunRow) => Promise<void>;
  /** Goes on elsewhere with what need not happen on that machine. */
  readonly takeOver: (nodeId: string) => Promise<void>;
  /** Forgets what was known of that machine. */
  readonly onRemoved: (node: { readonly id: string; readonly name: string }) => Promise<void>;
}

const LOOK_EVERY_MS = 1_000;

export function createNodeCare({
  store,
  db,
  nodes,
  runs,
  log,
  nodeId,
  forget,
  takeOver,
  onRemoved,
}: NodeCareDeps): NodeCare {
  type Trx = Parameters<Store['events']['append']>[0];

  async function tell(
    trx: Trx,
    type: EventType,
    row: Pick<NodeRow, 'id' | 'name'>,
    actor: Actor,
    data: JsonObject = {},
  ) {
    await store.events.append(trx, {
      type,
      subject: { kind: 'node', id: row.id },
      data: { node: row.id, name: row.name, ...data },
      actor,
      node: nodeId,
    });
    await sql`select pg_notify(${NODES_CHANNEL}, ${row.id})`.execute(trx);
  }

  async function setDraining(reference: string, draining: boolean, actor: Actor): Promise<NodeRecord> {
    const { id } = await nodes.find(reference);
    await db.transaction().execute(async (trx) => {
      const row = await trx
        .updateTable('nodes')
        .set({ draining, drained_at: null })
        .where('id', '=', id)
        .where('draining', '=', !draining)
        .returning(['id', 'name'])
        .executeTakeFirst();
      if (row) await tell(trx, draining ? 'node.draining' : 'node.resumed', row, actor);
    });
    return await nodes.get(id);
  }

  /** What was asked of that node and will not happen there. */
  async function expireRuns({ id, name }: NodeRow): Promise<number> {
    const left = await db
      .selectFrom('runs')
      .selectAll()
      .where('node', '=', id)
      .where('finished_at', 'is', null)
      .execute();
    for (const row of left) {
      const began = row.status !== 'queued' && row.status !== 'waiting-approval';
      const error = JSON.stringify({
        code: 'NO_NODE',
        message: began
          ? `Its node ${name} was lost while it was ${row.status}, and was removed before it came back.`
          : `Its node ${name} was removed before it began.`,
        hint: began ? 'Look at what it left behind, then start it again.' : 'Start it again where it shall happen.',
      });
      const to = row.status === 'rolling-back' ? 'rollback-failed' : began ? 'failed' : 'expired';
      const { moved } = await runs.move(row.id, { to, from: [row.status], patch: { error } });
      if (moved) await forget(row).catch(() => undefined);
    }
    return left.length;
  }

  return {
    drain: (reference, actor) => setDraining(reference, true, actor),
    resume: (reference, actor) => setDraining(reference, false, actor),

    async waitDrained(reference, timeoutMs) {
      const ends = performance.now() + timeoutMs;
      for (;;) {
        const news = Promise.withResolvers<void>();
        const unlisten = store.listen(NODES_CHANNEL, () => news.resolve());
        const timer = setTimeout(news.resolve, LOOK_EVERY_MS);
        try {
          const record = await nodes.get(reference);
          if (!record.draining || record.drainedAt !== undefined) return record;
          // Nobody is there to tell, and nothing can be under way.
          if (record.state === 'left' && record.runsInFlight === 0) return record;
          if (performance.now() > ends)
            throw new StewardError(
              'TIMEOUT',
              `${record.name} drains, and ${record.runsInFlight} of its runs are still under way.`,
              { hint: 'It goes on draining. Ask again, or see steward runs.' },
            );
          await news.promise;
        } finally {
          clearTimeout(timer);
          unlisten();
        }
      }
    },

    async label(reference, key, value) {
      const { id } = await nodes.find(reference);
      const given =
        value === ''
          ? sql`given_labels - ${key}::text`
          : sql`given_labels || jsonb_build_object(${key}::text, ${value}::text)`;
      await sql`update nodes set given_labels = ${given} where id = ${id}`.execute(db);
      return await nodes.get(id);
    },

    async remove(reference, actor) {
      const row = await nodes.find(reference);
      if (row.state === 'alive')
        throw new StewardError('PRECONDITION_FAILED', `${row.name} is alive.`, {
          hint: `Drain it and stop its Steward first: steward node drain ${row.name} --wait`,
        });
      await takeOver(row.id);
      await db.transaction().execute(async (trx) => {
        const gone = await trx
          .deleteFrom('nodes')
          .where('id', '=', row.id)
          .where('state', '!=', 'alive')
          .returning('id')
          .executeTakeFirst();
        if (!gone) throw new StewardError('CONFLICT', `${row.name} has come back this very moment.`);
        await tell(trx, 'node.left', row, actor, { removed: true });
      });
      const expired = await expireRuns(row);
      await db.deleteFrom('job_runs').where('node', '=', row.id).execute();
      await onRemoved({ id: row.id, name: row.name });
      log.info('node removed', { node: row.id, expired });
      return { id: row.id, name: row.name, expired };
    },
  };
}
