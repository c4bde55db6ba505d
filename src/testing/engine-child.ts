import { createInterface } from 'node:readline';
import type { Trigger } from '../core/actor.ts';
import type { AnyAutomation } from '../core/automation.ts';
import { createPrograms } from '../adapters/programs/index.ts';
import { engineMigrations } from '../engine/tables.ts';
import { openStore } from '../store/store.ts';
import { appendAnywhere, testAutomations, testWorkflows } from './engine-automations.ts';
import { appendLines, countLines, destroyIt, engineOn, operator, resource } from './engine.ts';
import { memoryLog } from './log.ts';

/**
 * An engine in a process of its own, for tests that kill it. Says `ready` once it runs, then what its first argument starts, and
 * then does what the lines say that it is sent: `{ start }` and `{ execute }` are answered with an id.
 */
const {
  databaseUrl,
  node,
  version = 1,
  start,
  targets = 0,
  targetsOn,
  more,
} = JSON.parse(process.argv[2] ?? '{}') as {
  databaseUrl: string;
  node: string;
  version?: number;
  start?: object;
  targets?: number;
  targetsOn?: string;
  more?: string;
};

interface Command {
  readonly start?: {
    readonly automation: string;
    readonly input: object;
    readonly idempotencyKey?: string;
    readonly trigger?: Trigger;
  };
  readonly approve?: string;
  readonly execute?: { readonly workflow: string; readonly context: Record<string, string | number> };
}

const store = await openStore({
  home: '/nonexistent',
  databaseUrl,
  migrations: engineMigrations,
  stewardVersion: '0.0.0-test',
  log: memoryLog(),
  now: () => new Date(),
});
/** As a later version has it: with one line more. */
const asOf = (automation: typeof appendLines): AnyAutomation => ({
  ...automation,
  version,
  ...(more !== undefined && {
    plan: async (ctx, facts) => [
      ...(await automation.plan(ctx, facts)),
      { id: more, title: `append ${more}`, undo: ctx.input.undo, moment: facts.moment },
    ],
  }),
});
const programs = createPrograms({ environment: process.env });
const { engine, log: told } = engineOn(store, {
  automations: [
    asOf(appendLines),
    destroyIt,
    countLines,
    ...testAutomations.map((one) => (one === appendAnywhere ? asOf(appendAnywhere) : one)),
  ],
  workflows: testWorkflows,
  resources: Array.from({ length: targets }, (_, index) => ({ ...resource(`t${index}`), node: targetsOn ?? node })),
  node,
  ports: (scope) => ({
    programs: programs.recorded((child) => scope.recordChild(child, 'program'), {
      onEnd: (child) => scope.childEnded(child),
      signal: scope.signal,
    }),
  }),
  killGroup: (identity) => programs.endGroup(identity),
});
for (const event of ['unhandledRejection', 'uncaughtException']) {
  process.on(event, (reason: unknown) => {
    process.stderr.write(`${event}: ${reason instanceof Error ? reason.stack : String(reason)}\n`);
    process.exit(70);
  });
}
process.on('SIGTERM', () => {
  void (async () => {
    await engine.stop();
    await store.close();
    process.exit(0);
  })();
});
// What it thought of it, for a person who looks at a failure.
process.on('SIGUSR2', () => process.stderr.write(`${JSON.stringify(told.lines)}\n`));
await engine.start();
process.stdout.write('ready\n');
const answer = (id: string): void => void process.stdout.write(`${id}\n`);
const obey = async ({ start: run, approve, execute }: Command): Promise<void> => {
  if (run) answer((await engine.service.start({ trigger: 'cli', ...run, actor: operator })).id);
  if (approve !== undefined) {
    const planHash = (await engine.service.get(approve))?.planHash ?? '';
    answer((await engine.service.approve(approve, { planHash, actor: operator })).id);
  }
  if (execute)
    answer((await engine.workflows.execute(execute.workflow, { ...execute, trigger: 'cli', actor: operator })).id);
};
if (start) await obey({ start: { automation: 'append-lines', input: start } });
createInterface({ input: process.stdin }).on('line', (line) => {
  obey(JSON.parse(line) as Command).catch((thrown: unknown) => answer(`refused: ${(thrown as Error).message}`));
});
