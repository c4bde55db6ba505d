import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createExports } from '../../adapters/exports/index.ts';
import { createPostgresEngine } from '../../adapters/fitness/postgres/index.ts';
import { createPrograms } from '../../adapters/programs/index.ts';
import { systemActor } from '../../core/actor.ts';
import { PostgresSource } from '../../core/backup/source.ts';
import type { DatabaseLook } from '../../core/database/look.ts';
import type { MaintenanceReport } from '../../core/database/report.ts';
import type { Incident, NewIncident } from '../../core/incident.ts';
import type { Run } from '../../core/run.ts';
import type { StartRun } from '../../core/run-service.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { defined } from '../../testing/defined.ts';
import { memoryLog } from '../../testing/log.ts';
import { startPostgres, type TestPostgres } from '../../testing/world/postgres.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { createDatabaseWatch, databaseMigrations, type Databases } from './index.ts';

const DAY = 86_400_000;
const GB = 1024 ** 3;
const node = { id: 'node_1', name: 'n1' };

describe('the watch over databases', () => {
  let server: TestPostgres;
  let database: TestDatabase;
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  let watch: Databases;
  let clock = new Date();
  let change: (look: DatabaseLook) => DatabaseLook = (look) => look;
  const open = new Map<string, NewIncident & { status: Incident['status'] }>();
  const runs = new Map<string, Partial<Run>>();
  const started: StartRun[] = [];
  let met = false;
  const window = { from: new Date('2026-12-02T02:00:00Z'), until: new Date('2026-12-02T04:00:00Z') };

  beforeAll(async () => {
    [server, database, folder] = await Promise.all([
      startPostgres({ max_connections: '12', superuser_reserved_connections: '2', autovacuum: 'off' }),
      testDatabase({ migrations: databaseMigrations }),
      tempFolder(),
    ]);
    await server.say('postgres', 'create database shop');
    await server.say(
      'shop',
      'create table orders (id int primary key, day date)',
      "insert into orders select i, date '2026-01-01' from generate_series(1, 5000) i",
      'create index orders_day on orders (day)',
      'create index orders_day_id on orders (day, id)',
      'create index orders_unused on orders (id, day)',
    );
    const { host, port, user } = server;
    const source = PostgresSource.parse({
      kind: 'postgres',
      name: 'crm',
      host,
      port,
      user,
      password: { env: 'PW' },
      tls: 'disable',
      critical: true,
    });
    const engine = createPostgresEngine({
      secrets: async () => server.password,
      programs: createPrograms({ environment: {} }),
      scratch: folder.path,
      lockMs: () => 1_000,
      now: () => clock,
    });
    watch = createDatabaseWatch({
      store: database.store,
      sources: () => [source],
      fitness: {
        kinds: () => ['postgres'],
        look: async (_name, wanted, doing) => change(await engine.look({ source }, wanted, doing)),
      },
      runs: {
        get: async (id) => runs.get(id) as Run | undefined,
        async start(request) {
          started.push(request);
          return { id: 'run_window' } as Run;
        },
      },
      windows: {
        open: (at) => (at >= window.from && at < window.until ? window : undefined),
        next: () => window.from,
        metBy: () => met,
      },
      incidents: {
        open: async (incident) => {
          open.set(incident.fingerprint, { ...incident, status: 'open' });
          return { id: incident.fingerprint } as Incident;
        },
        byFingerprint: async (fingerprint) => {
          const found = open.get(fingerprint);
          return found && ({ id: fingerprint, status: found.status } as Incident);
        },
        unresolved: async () =>
          [...open].flatMap(([fingerprint, { status }]) =>
            status === 'open' ? [{ id: fingerprint, fingerprint } as Incident] : [],
          ),
        resolve: async (id) => void (defined(open.get(id)).status = 'resolved'),
      },
      serverOf: async ({ name }) => `server of ${name}`,
      exports: createExports(folder.path),
      settings: () => ({
        everyMs: 60_000,
        slowMs: 1_000,
        connections: 0.8,
        wraparound: 0.4,
        longTransactionMs: 3_600_000,
        lagMs: 300_000,
        growth: 4,
        unusedMs: 30 * DAY,
      }),
      keepMs: () => 365 * DAY,
      node,
      now: () => clock,
      log: memoryLog(),
    });
    await watch.start();
  }, 120_000);

  afterAll(async () => {
    await watch?.stop();
    await server?.say('postgres', 'checkpoint');
    await Promise.all([database?.drop(), folder?.remove(), server?.[Symbol.asyncDispose]()]);
  });

  const later = (by: number): void => void (clock = new Date(clock.getTime() + by));
  const job = async (name: string): Promise<string[]> => {
    const found = defined(watch.jobs.find((each) => each.name === name));
    await found.run({ now: clock, signal: new AbortController().signal });
    return [...open].flatMap(([fingerprint, { status }]) => (status === 'open' ? [fingerprint] : [])).toSorted();
  };
  const looked = async (): Promise<string[]> => {
    later(61_000);
    return await job('database-looks');
  };
  const ask = async <T>(name: string, input: object = {}): Promise<T> => {
    const operation = defined(watch.operations.find((each) => each.name === name));
    const call = { actor: systemActor('test'), now: clock, from: 'local', requestId: 'r' };
    return operation.output.parse(await operation.handle(operation.input.parse(input), call)) as T;
  };
  interface Row {
    readonly source: string;
    readonly bytes?: number;
    readonly connections?: string;
    readonly advice: number;
    readonly message: string;
  }

  it('shows nothing before somebody looked, and then what was seen', async () => {
    expect((await ask<{ items: Row[] }>('databases')).items).toMatchObject([
      { source: 'crm', message: 'nobody has looked at it yet' },
    ]);
    expect(await looked()).toEqual([]);
    const [row] = (await ask<{ items: Row[] }>('databases')).items;
    expect(row).toMatchObject({ source: 'crm', kind: 'postgres', connections: expect.stringMatching(/of 12$/) });
    expect(defined(row).bytes).toBeGreaterThan(1e6);
  });

  it('lends what it saw to who measures, with the instant of the look, and nothing of what it cannot see', async () => {
    await looked();
    const seen = async () => new Map((await watch.meter.read()).map((reading) => [reading.name, reading]));
    const first = await seen();
    expect(first.get('steward_database_connections_limit')).toEqual({
      name: 'steward_database_connections_limit',
      labels: { source: 'crm', kind: 'postgres' },
      value: 12,
      at: clock,
      resourceId: 'server of crm',
    });
    expect(first.get('steward_database_connections')?.value).toBeGreaterThan(0);
    expect(first.get('steward_database_bytes')?.value).toBeGreaterThan(1e6);
    expect(first.get('steward_database_cache_hit_ratio')?.value).toBeGreaterThan(0);
    expect(first.has('steward_database_replication_lag_seconds')).toBe(false);

    // The server tells its counters every half second or so.
    await server.say('shop', ...Array.from({ length: 5 }, () => 'select 1'), 'select pg_sleep(1.5)');
    await looked();
    expect((await seen()).get('steward_database_operations_total')?.value).toBeGreaterThan(
      (first.get('steward_database_operations_total')?.value ?? Infinity) + 4,
    );

    change = () => {
      throw new Error('nobody answers');
    };
    await looked();
    change = (look) => look;
    expect(await watch.meter.read()).toEqual([]);
    await looked();
    const shown = await ask<{ tables: { name: string }[]; blind: unknown[] }>('database-get', { source: 'crm' });
    expect(shown.tables.map(({ name }) => name)).toContain('public.orders');
    await expect(ask('database-get', { source: 'nobody' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('opens an incident when 80 % of the connections are in use, and closes it when they are not', async () => {
    const clients = await Promise.all(Array.from({ length: 9 }, () => server.session('shop')));
    expect(await looked()).toEqual(['database.connections:node_1:crm']);
    expect(open.get('database.connections:node_1:crm')?.severity).toBe('critical');
    await Promise.all(clients.map((client) => client.end()));
    expect(await looked()).toEqual([]);
  });

  it('opens an incident for a jump in size against its trend', async () => {
    let bytes = 10 * GB;
    change = (look) => ({ ...look, databases: [{ name: 'shop', bytes, measured: false }] });
    for (let hour = 0; hour < 8; hour += 1) {
      later(3_600_000 - 61_000);
      bytes += 0.05 * GB;
      expect(await looked()).toEqual([]);
    }
    later(3_600_000 - 61_000);
    bytes += 4 * GB;
    expect(await looked()).toEqual(['database.growth:node_1:crm']);
    later(3_600_000 - 61_000);
    expect(await looked()).toEqual([]);
    change = (look) => look;
  });

  it('remembers indexes of one name in several tables, and tells each warning by itself until it is over', async () => {
    const primary = {
      database: 'shop',
      name: 'PRIMARY',
      bytes: 1,
      valid: true,
      unique: true,
      constraint: true,
      scans: 3,
      measured: false,
    };
    const warned = (...said: string[]) => said.map((what) => ({ what, hint: 'do something' }));
    change = (seen) => ({
      ...seen,
      kind: 'mysql',
      indexes: [
        { ...primary, table: 'a' },
        { ...primary, table: 'b' },
      ],
      warnings: warned('97 % is used', 'it cannot save'),
    });
    expect(await looked()).toEqual([
      'database.warning:node_1:crm:# % is used',
      'database.warning:node_1:crm:it cannot save',
    ]);
    change = (seen) => ({ ...seen, warnings: warned('98 % is used') });
    expect(await looked()).toEqual(['database.warning:node_1:crm:# % is used']);
    change = (seen) => seen;
    expect(await looked()).toEqual([]);
  });

  it('does not take what it could not see for what is well', async () => {
    change = (seen) => ({ ...seen, longestTransactionSeconds: 8 * 3_600 });
    const wrong = await looked();
    expect(wrong).toHaveLength(1);
    change = ({ longestTransactionSeconds: _unseen, ...seen }) => ({ ...seen, partial: true });
    expect(await looked()).toEqual(wrong);
    change = (seen) => seen;
    expect(await looked()).toEqual([]);
  });

  it('keeps what it saw when it cannot look, and says so', async () => {
    change = () => {
      throw new Error('it does not answer');
    };
    await looked();
    const [row] = (await ask<{ items: Row[] }>('databases')).items;
    expect(row).toMatchObject({ message: 'it does not answer', connections: expect.stringMatching(/of 12$/) });
    change = (look) => look;
  });

  it('advises what another index serves at once, and what nothing uses only after 30 days', async () => {
    await looked();
    const advice = async () =>
      (await ask<{ items: { kind: string; object: string; sql?: string }[] }>('database-advice')).items.map(
        ({ kind, object, sql }) => `${kind} ${object} ${sql ?? ''}`,
      );
    const duplicate = 'duplicate-index public.orders_day drop index concurrently "public"."orders_day"';
    expect(await advice()).toEqual([duplicate]);
    later(29 * DAY);
    await server.say('shop', 'set enable_seqscan = off', "select id from orders where day = '2026-01-01' and id = 7");
    await looked();
    expect(await advice()).toEqual([duplicate]);
    later(2 * DAY);
    await looked();
    // What was used meanwhile is not told.
    const unused = (await advice()).filter((text) => text.startsWith('unused-index'));
    expect(unused).toHaveLength(1);
  });

  it('begins a maintenance in a window that no schedule meets, and says when the next one is', async () => {
    const before = clock;
    const within = async (at: string): Promise<unknown[]> => {
      clock = new Date(at);
      started.length = 0;
      await job('database-windows');
      return started.map(({ automation, idempotencyKey }) => `${automation} ${idempotencyKey}`);
    };
    const begun = 'maintain-database database-window:node_1:2026-12-02';
    expect(await within('2026-12-02T01:59:00Z')).toEqual([]);
    expect(await within('2026-12-02T02:30:00Z')).toEqual([begun]);
    expect(await within('2026-12-02T03:59:00Z')).toEqual([begun]);
    expect(await within('2026-12-02T04:00:00Z')).toEqual([]);
    met = true;
    expect(await within('2026-12-02T02:30:00Z')).toEqual([]);
    clock = before;
    expect(await ask('database-get', { source: 'crm' })).toMatchObject({ nextWindowAt: window.from });
  });

  it('remembers what a maintenance did, writes its report as a file, and is told only once', async () => {
    const about = { kind: 'reindex', database: 'shop', object: 'public.orders_day', why: 'it took longer' } as const;
    const report: MaintenanceReport = {
      at: clock,
      node: 'n1',
      ok: true,
      sources: [],
      done: [
        {
          source: 'crm',
          kind: 'vacuum',
          database: 'shop',
          object: 'public.orders',
          reason: 'dead rows',
          durationMs: 7,
        },
      ],
      postponed: [],
      failed: [],
      diverged: [{ source: 'crm', ...about }],
      skipped: [],
      skippedInAll: 0,
      left: 0,
      planChanges: [],
      settings: [],
      rehearsed: [],
      slow: [],
      advice: [
        {
          source: 'crm',
          database: 'shop',
          table: 'public.orders',
          columns: ['what'],
          sql: 'create index concurrently on "public"."orders" ("what")',
          statement: 'select from orders where what = $1',
          tested: 'sandbox',
          costBefore: 900,
          costAfter: 9,
        },
      ],
    };
    // Two databases of a server have a table of one name each.
    report.advice.push(...report.advice.map((one) => ({ ...one, database: 'archive' })));
    runs.set('run_1', {
      node: 'node_1',
      finishedAt: clock,
      output: JSON.parse(JSON.stringify(report)) as Run['output'],
    });
    const data = { runId: 'run_1', automation: 'maintain-database' };
    for (let told = 0; told < 2; told += 1)
      await database.store.db
        .transaction()
        .execute((trx) => database.store.events.append(trx, { type: 'run.finished', data }));
    await expect.poll(async () => (await watch.done('crm')).length, { timeout: 10_000 }).toBe(1);
    expect(await watch.done('crm')).toEqual([{ kind: 'vacuum', database: 'shop', object: 'public.orders', at: clock }]);
    await expect
      .poll(async () => await readdir(join(folder.path, 'logs')).catch(() => []), { timeout: 10_000 })
      .toContain('latest_database_maintenance_report.json');
    const written = await readFile(join(folder.path, 'logs', 'latest_database_maintenance_report.json'), 'utf8');
    expect(JSON.parse(written)).toMatchObject({ ok: true, done: [{ kind: 'vacuum' }] });
    const diverged = await database.store.events.read({ types: ['database.diverged'] });
    expect(diverged.map((event) => [event.causation, event.data])).toEqual([
      [{ runId: 'run_1' }, { source: 'crm', automation: 'maintain-database', ...about }],
    ]);
    runs.set('run_2', {
      node: 'node_1',
      finishedAt: clock,
      error: { code: 'DIVERGED', message: '0001.sql took longer' },
    });
    await database.store.db.transaction().execute((trx) =>
      database.store.events.append(trx, {
        type: 'run.finished',
        data: { runId: 'run_2', automation: 'migrate-database' },
      }),
    );
    await expect
      .poll(async () => (await database.store.events.read({ types: ['database.diverged'] })).at(-1)?.data)
      .toEqual({ automation: 'migrate-database', why: '0001.sql took longer' });
    const advice = (
      await ask<{ items: { database: string; kind: string; why: string }[] }>('database-advice', { source: 'crm' })
    ).items;
    expect(advice[0]).toMatchObject({ kind: 'missing-index', why: expect.stringContaining('100 times cheaper') });
    const missing = advice.filter(({ kind }) => kind === 'missing-index');
    expect(missing.map(({ database: of }) => of).toSorted()).toEqual(['archive', 'shop']);
  });

  it('forgets what is older than the configuration keeps', async () => {
    later(400 * DAY);
    await job('database-history-retention');
    expect(await watch.done('crm')).toEqual([]);
    expect((await ask<{ items: Row[] }>('databases')).items).toMatchObject([
      { message: 'nobody has looked at it yet' },
    ]);
  });
});
