import { type ExpressionBuilder, sql } from 'kysely';
import type { Catalog } from '../core/catalog.ts';
import type { Log } from '../core/log.ts';
import type { Store } from '../store/store.ts';
import { queueOf, type DurableEngine } from './dbos.ts';
import { type Dispatch, workflowIdOf } from './dispatch.ts';
import { underWay } from './node-directory.ts';
import type { RunRow } from './run-rows.ts';
import type { Runs } from './runs.ts';
import type { EngineTables } from './tables.ts';

interface TakeOverDeps {
  readonly store: Store;
  readonly runs: Runs;
  readonly engine: DurableEngine;
  readonly dispatch: Pick<Dispatch, 'enqueue'>;
  readonly catalog: () => Catalog;
  readonly log: Log;
  readonly nodeId: string;
  /** What this node has, as it last told the others. */
  readonly own: () => { readonly labels: Readonly<Record<string, string>>; readonly ports: readonly string[] };
}

/** The node is not back: of those who ask at once, one finds the rows where they were. */
export const stillLost = (nodeId: string) => (where: ExpressionBuilder<EngineTables, keyof EngineTables>) =>
  where.exists(where.selectFrom('nodes').select('id').where('id', '=', nodeId).where('state', '!=', 'alive'));

const stillDrains = (nodeId: string) => (where: ExpressionBuilder<EngineTables, keyof EngineTables>) =>
  where.exists(where.selectFrom('nodes').select('id').where('id', '=', nodeId).where('draining', '=', true));

/**
 * Goes on here with the runs of a lost node that touch no machine. The others wait for their machine, and say so. The runs become
 * this node's, and their workflows this process's, in one transaction: from its commit on the lost node can write nothing about them.
 */
export function createTakeOver(deps: TakeOverDeps): (from: string, why: 'lost' | 'draining') => Promise<void> {
  const { store, runs, engine, dispatch, catalog, log, nodeId } = deps;
  const { db } = runs;

  async function take(lost: string, why: 'lost' | 'draining'): Promise<void> {
    const { labels, ports } = deps.own();
    const anywhere = [...catalog().automations.values()].filter(
      ({ placement, needs }) => placement === 'any' && needs.every((port) => ports.includes(port)),
    );
    if (anywhere.length === 0) return;
    const { taken, claimed } = await db.transaction().execute(async (trx) => {
      const rows = await trx
        .updateTable('runs')
        .set({
          node: nodeId,
          queue: sql`case when trigger = 'healing' then ${queueOf(nodeId, true)} else ${queueOf(nodeId, false)} end`,
          epoch: sql`epoch + 1`,
          progress: null,
        })
        .where('node', '=', lost)
        .where('finished_at', 'is', null)
        .where('target_id', 'is', null)
        // Nor is what was planned by a version that this one does not know.
        .where(
          sql<boolean>`exists (select from unnest(${anywhere.map(({ name }) => name)}::text[], ${anywhere.map(({ version }) => version)}::integer[])
            as known (name, version) where known.name = runs.automation and known.version >= runs.version)`,
        )
        // Where somebody asked for that very node, or for labels that this one has not, it is not for this one.
        .where(
          sql<boolean>`place->>'node' is null and coalesce(place->'labels', '{}') <@ ${JSON.stringify(labels)}::jsonb`,
        )
        .where((why === 'lost' ? stillLost(lost) : stillDrains(lost)) as never)
        .$if(why === 'draining', (query) =>
          query
            .where('status', '=', 'queued')
            .where('trigger', '!=', 'healing')
            .where(sql<boolean>`not ${underWay}`),
        )
        .returningAll()
        .execute();
      for (const row of rows)
        await store.events.append(trx, {
          type: 'run.taken-over',
          subject: { kind: 'run', id: row.id },
          data: { runId: row.id, automation: row.automation, from: lost, to: nodeId },
          causation: { ...row.causation, runId: row.id },
          node: nodeId,
        });
      return { taken: rows, claimed: await engine.claim(trx, rows.filter(isOpen).map(workflowIdOf)) };
    });
    for (const row of taken)
      if (why === 'lost') log.warn('run of a lost node goes on here', { runId: row.id, node: lost });
      else log.info('run of a draining node begins here', { runId: row.id, node: lost });
    const epochs = new Map(taken.map((row) => [workflowIdOf(row), row.epoch]));
    await engine.goOn(claimed, (workflowId) => epochs.get(workflowId) ?? 0);
    for (const row of taken) if (isOpen(row) && !claimed.ids.includes(workflowIdOf(row))) await dispatch.enqueue(row);
  }

  /** Once for each run, whoever of the others gets to it first. */
  async function tell(lost: string): Promise<void> {
    await sql`
      with silent as (select id, name, last_heartbeat from nodes where id = ${lost} and state = 'lost'),
        told as (update runs set progress = jsonb_build_object('done', 0, 'message', format(
            'Node %s is silent since %s. The run needs that machine: it goes on once the node is back.', silent.name,
            to_char(silent.last_heartbeat at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')))
          from silent where runs.node = silent.id and runs.finished_at is null and runs.status <> 'waiting-approval'
            and coalesce(runs.progress->>'message', '') not like 'Node % is silent since %'
          returning runs.id, runs.progress->>'message' as message),
        kept as (insert into run_logs (run_id, at, level, message) select id, clock_timestamp(), 'warn', message from told)
      select id from told`.execute(db);
  }

  return async (from, why) => {
    await take(from, why);
    if (why === 'lost') await tell(from);
  };
}

function isOpen({ status }: RunRow): boolean {
  return status !== 'waiting-approval';
}
