import { afterAll, beforeAll, expect, it } from 'vitest';
import processQueuedJobs from '../automations/process-queued-jobs/index.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { appendLines, countLines, type EngineFixture, engineOn, operator, scratch } from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

let database: TestDatabase;
let fixture: EngineFixture;
let place: Awaited<ReturnType<typeof scratch>>;

beforeAll(async () => {
  database = await testDatabase({ migrations: engineMigrations });
  place = await scratch();
  fixture = engineOn(database.store, {
    automations: [appendLines, countLines, processQueuedJobs],
    ports: () => ({ queue: fixture.engine.queue }),
  });
  await fixture.engine.start();
}, 60_000);
afterAll(async () => {
  await fixture?.engine.stop();
  await database?.drop();
  await place?.remove();
});

it('a run whose wake-up was lost is begun by the sweep', async () => {
  const { service } = fixture.engine;
  const start = { trigger: 'api', actor: operator } as const;
  const model = await service.start({ ...start, automation: 'count-lines', input: { file: place.file } });
  await service.wait(model.id, { timeoutMs: 15_000 });
  // In the store and nowhere else, as after a message that nobody heard.
  const { rows } = await database.store.pool.query<{ names: string }>(
    `select string_agg(quote_ident(column_name), ', ') as names from information_schema.columns
      where table_name = 'runs' and column_name not in ('id', 'status', 'finished_at', 'started_at', 'phases', 'idempotency_key', 'created_at', 'output', 'checks')`,
  );
  const { names = '' } = rows[0] ?? {};
  const lost = 'run_0mx000000lost0000000';
  await database.store.pool.query(
    `insert into runs (id, status, phases, checks, created_at, ${names}) select $1, 'queued', '[]', '[]', now() - interval '1 minute', ${names} from runs where id = $2`,
    [lost, model.id],
  );
  expect(await fixture.engine.queue.waiting(new Date())).toMatchObject([{ kind: 'run', id: lost }]);
  const sweep = await service.start({ ...start, automation: 'process-queued-jobs', input: {} });
  expect(await service.wait(sweep.id, { timeoutMs: 15_000 })).toMatchObject({
    status: 'succeeded',
    output: { begun: 1 },
  });
  expect(await service.wait(lost, { timeoutMs: 15_000 })).toMatchObject({ status: 'succeeded' });
  const again = await service.start({ ...start, automation: 'process-queued-jobs', input: {} });
  expect(await service.wait(again.id, { timeoutMs: 15_000 })).toMatchObject({ plan: [], output: { begun: 0 } });
});
