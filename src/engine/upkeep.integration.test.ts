import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineWorkflow } from '../core/workflow.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { agent, type EngineFixture, engineOn, operator, resource, scratch } from '../testing/engine.ts';
import { memoryLog } from '../testing/log.ts';
import { keepArtifact } from './artifacts.ts';
import { createDurableEngine } from './dbos.ts';
import { createNodes } from './nodes.ts';
import { DEFAULT_SETTINGS } from './engine-deps.ts';
import { createRuns } from './runs.ts';
import { engineMigrations } from './tables.ts';
import { upkeepJobs } from './upkeep.ts';

const WAIT = { timeoutMs: 20_000 };
const DAY_MS = 86_400_000;

describe('the upkeep of the engine', () => {
  let database: TestDatabase;
  let fixture: EngineFixture;
  let place: Awaited<ReturnType<typeof scratch>>;
  let artifacts: string;
  let clock = 0;
  const now = () => new Date(Date.now() + clock);
  const upkeep = async (later: number): Promise<void> => {
    const { store } = database;
    const engine = createDurableEngine({ store, log: memoryLog(), nodeId: 'node_a', given: undefined as never });
    const job = upkeepJobs({
      runs: createRuns({ store, now, nodeId: 'node_a' }),
      engine,
      events: store.events,
      service: { expire: async () => 0 },
      artifacts,
      retention: () => ({ runsMs: 90 * DAY_MS, eventsMs: 30 * DAY_MS }),
    }).find(({ name }) => name === 'engine-retention');
    await job?.run({ now: new Date(Date.now() + later), signal: new AbortController().signal });
  };
  /** Rows of every table of Steward and of the durable engine, where there are any. */
  const rows = async (): Promise<Record<string, number>> => {
    const { rows: tables } = await sql<{ name: string }>`select format('%I.%I', schemaname, tablename) as name
      from pg_tables where schemaname in ('public', 'dbos')`.execute(database.store.db);
    const counted: [string, number][] = [];
    for (const { name } of tables) {
      const { rows: found } = await sql<{ count: number }>`select count(*)::int as count from ${sql.raw(name)}`.execute(
        database.store.db,
      );
      counted.push([name, found[0]?.count ?? 0]);
    }
    return Object.fromEntries(counted.filter(([, count]) => count > 0));
  };

  beforeAll(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    place = await scratch();
    artifacts = await mkdtemp(join(tmpdir(), 'steward-artifacts-'));
    fixture = engineOn(database.store, {
      now,
      resources: [resource('far', { node: 'node_b' })],
      workflows: [
        defineWorkflow({
          name: 'counting',
          version: 1,
          title: 'Counting',
          summary: 'Counts.',
          priority: 'P3',
          ifMissed: 'Nothing.',
          origin: 'user',
          triggers: [],
          steps: [{ id: 'count', title: 'count', automation: 'count-lines', input: () => ({ file: place.file }) }],
        }),
      ],
    });
    await fixture.engine.start();
  }, 60_000);
  afterAll(async () => {
    await fixture?.engine.stop();
    await database?.drop();
    await place?.remove();
    await rm(artifacts, { recursive: true, force: true });
  });

  it('ends what waits for a node that is away for a day, and keeps what was approved a moment ago', async () => {
    const far = createNodes({
      store: database.store,
      log: memoryLog(),
      now,
      node: { id: 'node_b', name: 'far', version: '1' },
      limits: DEFAULT_SETTINGS,
      onLost: async () => undefined,
    });
    await far.join();
    const { service } = fixture.engine as unknown as {
      service: typeof fixture.engine.service & { expire(): Promise<number> };
    };
    const run = await service.start({
      automation: 'append-lines',
      input: { file: place.file, lines: ['far'], target: 'far' },
      trigger: 'cli',
      actor: operator,
    });
    expect(run).toMatchObject({ status: 'queued', node: 'node_b' });

    clock = 23 * 3_600_000;
    await service.expire();
    expect(await service.get(run.id)).toMatchObject({ status: 'queued' });
    clock = 25 * 3_600_000;
    await service.expire();
    clock = 0;

    expect(await service.get(run.id)).toMatchObject({
      status: 'expired',
      error: { code: 'TIMEOUT', message: expect.stringContaining('node_b') },
    });
  }, 60_000);

  it('forgets what is older than retention says, in our tables, in those of the durable engine and on the disk', async () => {
    const { service, workflows } = fixture.engine;
    const request = { automation: 'append-lines', trigger: 'cli', actor: operator } as const;
    const done = await service.wait(
      (await service.start({ ...request, input: { file: place.file, lines: ['a', 'b'] } })).id,
      WAIT,
    );
    const failed = await service.wait(
      (await service.start({ ...request, input: { file: place.file, lines: ['c'], failAt: 'c' } })).id,
      WAIT,
    );
    const waits = await service.wait(
      (await service.start({ ...request, trigger: 'mcp', actor: agent, input: { file: place.file, lines: ['d'] } })).id,
      WAIT,
    );
    await workflows.execute('counting', { context: {}, trigger: 'api', actor: operator });
    await expect
      .poll(async () => (await workflows.executions('counting', { limit: 1 })).items[0]?.status, { timeout: 15_000 })
      .toBe('succeeded');
    expect([done.status, failed.status, waits.status]).toEqual(['succeeded', 'rolled-back', 'waiting-approval']);
    await keepArtifact(artifacts, done.id, 'report.txt', 'report');
    await keepArtifact(artifacts, waits.id, 'report.txt', 'report');
    await sql`insert into engine_lock_waiters (name, holder, expires_at) values ('x', 'dead', ${now()})`.execute(
      database.store.db,
    );
    await sql`insert into run_children (run_id, node, pid, start_ticks, boot_id, title, started_at)
      values (${done.id}, 'node_b', 1, 1, 'b', 'pg_dump', ${now()})`.execute(database.store.db);
    const before = await rows();

    await upkeep(DAY_MS / 2);
    expect(await rows()).toMatchObject({
      'public.runs': before['public.runs'],
      'dbos.workflow_status': before['dbos.workflow_status'],
    });

    await upkeep(93 * DAY_MS);
    const after = await rows();
    // The proposal stays until somebody answers or it expires.
    expect(after).toMatchObject({ 'public.runs': 1, 'public.run_changes': 1 });
    for (const name of ['run_logs', 'run_children', 'workflow_executions', 'engine_locks', 'engine_lock_waiters'])
      expect(after[`public.${name}`], name).toBeUndefined();
    for (const name of ['workflow_status', 'operation_outputs', 'workflow_input', 'workflow_output', 'workflow_events'])
      expect(after[`dbos.${name}`], name).toBeUndefined();
    await expect(access(join(artifacts, done.id))).rejects.toThrow(/ENOENT/);
    await access(join(artifacts, waits.id));
    // Events wait for transactions of other tests on this server before they count as settled.
    await expect
      .poll(async () => (await upkeep(93 * DAY_MS), (await rows())['public.events']), {
        timeout: 15_000,
        interval: 500,
      })
      .toBeUndefined();
  }, 90_000);
});
