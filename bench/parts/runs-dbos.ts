// The peer: DBOS alone, doing as many steps in as many workflows as a run of three changes does, with results of the same kind.
import { DBOS } from '@dbos-inc/dbos-sdk';
import { serveBatches } from './batches.ts';

const silent = { info: () => undefined, debug: () => undefined, warn: () => undefined, error: () => undefined };
const PLAN = ['begin', 'analyze', 'plan', 'decide'];
const APPLY = ['begin', 'analyze', 'plan', 'execute:one', 'execute:two', 'execute:three', 'verify', 'record', 'finish'];

const steps = (names: readonly string[]) => async (index: number) => {
  for (const name of names) await DBOS.runStep(async () => ({ ok: true, value: { name, index } }), { name });
};
const plan = DBOS.registerWorkflow(steps(PLAN), { name: 'plan' });
const apply = DBOS.registerWorkflow(steps(APPLY), { name: 'apply' });

DBOS.setConfig({
  name: 'bench',
  systemDatabaseUrl: process.argv[2] ?? '',
  systemDatabasePoolSize: 16,
  systemDatabaseIdleTransactionTimeoutMs: 0,
  applicationVersion: 'bench',
  executorID: 'bench',
  logger: silent,
});
await DBOS.launch();

serveBatches(async (index) => {
  await (await DBOS.startWorkflow(plan, { workflowID: `${index}:plan` })(index)).getResult();
  await (await DBOS.startWorkflow(apply, { workflowID: `${index}:apply` })(index)).getResult();
});
