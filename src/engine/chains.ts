import type { Transaction } from 'kysely';
import type { Log } from '../core/log.ts';
import type { Claimed, DurableEngine } from './dbos.ts';
import type { ExecutionRow, Executions, Owned, Taken } from './executions.ts';
import type { EngineTables } from './tables.ts';

const workflowIdOf = (executionId: string): string => `chain:${executionId}`;

/** Chains and the durable workflows that follow them: on the node that began them, or on the one that took them over. */
export interface Chains {
  start(executionId: string): Promise<void>;
  /** Every chain of this node is in somebody's hands afterwards, or has ended. */
  settle(): Promise<void>;
  /** Goes on here with what a lost node had begun, where it stood; from then on the lost node can write nothing about it. */
  takeOver(lost: string): Promise<void>;
}

export function createChains({
  executions,
  engine,
  log,
}: {
  readonly executions: Executions;
  readonly engine: DurableEngine;
  readonly log: Log;
}): Chains {
  const begin = ({ id, epoch }: Owned): Promise<void> =>
    engine.start('chain', id, { workflowId: workflowIdOf(id), epoch });
  const claim = (trx: Transaction<EngineTables>, taken: readonly Owned[]): Promise<Claimed> =>
    engine.claim(
      trx,
      taken.map(({ id }) => workflowIdOf(id)),
    );

  async function goOn({ taken, also: claimed }: Taken<Claimed>): Promise<void> {
    const epochs = new Map(taken.map(({ id, epoch }) => [workflowIdOf(id), epoch]));
    await engine.goOn(claimed, (workflowId) => epochs.get(workflowId) ?? 0);
    for (const one of taken) if (!claimed.ids.includes(workflowIdOf(one.id))) await begin(one);
  }

  return {
    start: (id) => begin({ id, epoch: 0 }),
    async settle() {
      const rows = (await executions.runningHere()).filter(({ id }) => !engine.has(workflowIdOf(id)));
      if (rows.length === 0) return;
      const stateOf = await engine.states(rows.map(({ id }) => workflowIdOf(id)));
      const those = (...states: string[]): ExecutionRow[] =>
        rows.filter(({ id }) => states.includes(stateOf(workflowIdOf(id))) && !engine.has(workflowIdOf(id)));
      for (const row of those('missing')) await begin(row);
      const open = those('open');
      if (open.length > 0) await goOn(await executions.again(open, claim));
      for (const row of those('failed', 'succeeded'))
        await executions.finish(row, 'failed', 'the chain broke off before it');
    },
    async takeOver(lost) {
      const all = await executions.takeOver(lost, claim);
      for (const { id } of all.taken) log.warn('workflow of a lost node goes on here', { execution: id, node: lost });
      await goOn(all);
    },
  };
}
