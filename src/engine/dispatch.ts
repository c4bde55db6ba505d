import { sql } from 'kysely';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Waiting } from '../core/ports/queue.ts';
import type { Store } from '../store/store.ts';
import type { Accepts } from './accepts.ts';
import type { Children } from './children.ts';
import type { Coordinator } from './coordinator.ts';
import type { DurableEngine } from './dbos.ts';
import type { RunRow } from './run-rows.ts';
import type { Runs } from './runs.ts';
import type { KnownRows } from './work.ts';

export const workflowIdOf = (row: Pick<RunRow, 'id' | 'stage' | 'round'>): string =>
  row.stage === 'apply' ? `${row.id}:apply` : `${row.id}:plan:${row.round}`;

/** Rung for a node that has a run to begin; the payload is the run's id. */
export const startChannel = (nodeId: string): string => `steward_start_${nodeId}`;

const OPEN = ['queued', 'planning', 'running', 'rolling-back'] as const;

export interface Dispatch {
  /** Begins it at once where it is this node's, and tells its node otherwise. */
  enqueue(row: RunRow): Promise<void>;
  /** What was told to this node begins; should that be missed, `settle` finds it. */
  listen(): () => void;
  /** Every run of this node is in somebody's hands afterwards, or has ended. */
  settle(): Promise<void>;
  /** Runs of this node that nobody has in hand, though it takes them. */
  waiting(before: Date): Promise<Waiting[]>;
}

interface DispatchDeps {
  readonly store: Store;
  readonly runs: Runs;
  readonly engine: DurableEngine;
  readonly children: Children;
  readonly fail: Coordinator['fail'];
  readonly known: KnownRows;
  /** Whether this node begins it; what it does not begin waits in its row. */
  readonly accepts: Accepts;
  readonly log: Log;
  readonly nodeId: string;
}

export function createDispatch({
  store,
  runs,
  engine,
  children,
  fail,
  known,
  accepts,
  log,
  nodeId,
}: DispatchDeps): Dispatch {
  const { db } = runs;

  async function begin(row: RunRow): Promise<void> {
    const workflowId = workflowIdOf(row);
    if (!accepts(row) || engine.has(workflowId)) return;
    known.put(row);
    try {
      await engine.start(row.stage, row.id, { workflowId, epoch: row.epoch });
    } finally {
      known.take(row.id, row.epoch);
    }
  }

  async function begun(runId: string): Promise<void> {
    const row = await runs.row(runId);
    if (row?.status === 'queued' && row.node === nodeId) await begin(row);
  }

  /** Goes on with what an earlier life of this node had begun, or what this one let go of. */
  async function goOn(rows: readonly RunRow[]): Promise<void> {
    if (rows.length === 0) return;
    const { mine, claimed } = await db.transaction().execute(async (trx) => {
      const taken = await trx
        .updateTable('runs')
        .set({ epoch: sql`epoch + 1`, progress: null })
        .where('node', '=', nodeId)
        .where('finished_at', 'is', null)
        .where(
          sql<boolean>`(id, epoch) in (select * from unnest(${rows.map(({ id }) => id)}::text[], ${rows.map(({ epoch }) => epoch)}::integer[]))`,
        )
        .returningAll()
        .execute();
      // Who had begun first comes first, for it may have the locks that the others wait for.
      const order = taken.toSorted((a, b) => instant(a.started_at) - instant(b.started_at) || (a.id < b.id ? -1 : 1));
      const { token, ids } = await engine.claim(trx, order.map(workflowIdOf));
      const got = new Set(ids);
      return { mine: order, claimed: { token, ids: order.map(workflowIdOf).filter((id) => got.has(id)) } };
    });
    // What an earlier life of a run left running would work against it.
    await children.endLeftovers(mine.map(({ id }) => id));
    const epochs = new Map(mine.map((row) => [workflowIdOf(row), row.epoch]));
    for (const row of mine) known.put(row);
    await engine.goOn(claimed, (workflowId) => epochs.get(workflowId) ?? 0);
  }

  async function settle(): Promise<void> {
    const open = await db
      .selectFrom('runs')
      .selectAll()
      .where('node', '=', nodeId)
      .where('status', 'in', OPEN)
      .execute();
    const rows = open.filter((row) => !engine.has(workflowIdOf(row)) && accepts(row));
    if (rows.length === 0) return;
    const stateOf = await engine.states(rows.map(workflowIdOf));
    await goOn(rows.filter((row) => stateOf(workflowIdOf(row)) === 'open' && !engine.has(workflowIdOf(row))));
    for (const row of rows) if (stateOf(workflowIdOf(row)) === 'missing') await begin(row);
    for (const row of rows) {
      if (!['failed', 'succeeded'].includes(stateOf(workflowIdOf(row)))) continue;
      // It may have moved on since it was read.
      const current = await runs.row(row.id);
      if (current && current.status === row.status && workflowIdOf(current) === workflowIdOf(row))
        await fail(
          row.id,
          new StewardError('INTERNAL', `Run ${row.id} was left behind by its workflow.`, {
            hint: 'Look at what it was about to do, and start it again.',
          }),
        );
    }
  }

  return {
    async enqueue(row) {
      if (row.node === nodeId) await begin(row);
      else await sql`select pg_notify(${startChannel(row.node)}, ${row.id})`.execute(db);
    },
    listen: () =>
      store.listen(startChannel(nodeId), (runId) => {
        const work = runId === undefined ? settle() : begun(runId);
        void work.catch((thrown: unknown) =>
          log.debug('run not begun yet', { runId, reason: (thrown as Error).message }),
        );
      }),
    settle,
    async waiting(before) {
      const rows = await db
        .selectFrom('runs')
        .selectAll()
        .where('node', '=', nodeId)
        .where('status', 'in', OPEN)
        .where('created_at', '<', before)
        .execute();
      return rows
        .filter((row) => !engine.has(workflowIdOf(row)) && accepts(row))
        .map(({ id, automation, created_at: since }) => ({
          kind: 'run',
          id,
          what: automation,
          since: since.toISOString(),
        }));
    },
  };
}

function instant(at: Date | null): number {
  return at?.getTime() ?? Infinity;
}
