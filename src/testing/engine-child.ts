import { type AnyAutomation } from '../core/automation.ts';
import { openStore } from '../store/store.ts';
import { memoryLog } from './log.ts';
import { appendLines, countLines, destroyIt, engineOn, operator } from './engine.ts';
import { engineMigrations } from '../engine/tables.ts';

/** A Steward of its own, for tests that kill it. Says `ready` once its engine runs, then does what its first line says. */
const {
  databaseUrl,
  node,
  version = 1,
  start,
} = JSON.parse(process.argv[2] ?? '{}') as { databaseUrl: string; node: string; version?: number; start?: object };

const log = memoryLog();
const store = await openStore({
  home: '/nonexistent',
  databaseUrl,
  migrations: engineMigrations,
  stewardVersion: '0.0.0-test',
  log,
  now: () => new Date(),
});
const lines: AnyAutomation = { ...appendLines, version };
const { engine } = engineOn(store, { automations: [lines, destroyIt, countLines], node });
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
await engine.start();
process.stdout.write('ready\n');
if (start) {
  const { id } = await engine.service.start({
    automation: 'append-lines',
    input: start,
    trigger: 'cli',
    actor: operator,
  });
  process.stdout.write(`${id}\n`);
}
