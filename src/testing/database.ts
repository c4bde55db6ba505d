import { createHash, randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import { inject } from 'vitest';
import type { Log } from '../core/log.ts';
import { bundledUrl, ensurePostgres, type PostgresServer } from '../store/bundled-postgres.ts';
import { normalizeDatabaseUrl } from '../store/connection.ts';
import type { Migration } from '../store/migrator.ts';
import { openStore, type Store } from '../store/store.ts';
import { memoryLog } from './log.ts';
import { OWN_MACHINE } from './own-machine.ts';

export interface TestDatabase {
  readonly store: Store;
  readonly databaseUrl: string;
  /** One more store on the same database: a second node. Closed with the first. */
  openAnother(): Promise<Store>;
  /** Closes the stores and removes the database. */
  drop(): Promise<void>;
}

export interface TestDatabaseOptions {
  readonly migrations?: readonly Migration[];
  readonly now?: () => Date;
  readonly log?: Log;
}

let server: Promise<PostgresServer> | undefined;

/** Who runs PostgreSQL in tests. As root it is nobody: running the tests must not add a user to the machine. */
export const testAccount = process.getuid?.() === 0 ? { name: 'nobody', uid: 65_534, gid: 65_534 } : undefined;

/** This run's PostgreSQL, or this machine's, started by the first who asks; the end of either stops it. */
export async function testServer(): Promise<PostgresServer> {
  server ??= serverHome().then((home) =>
    ensurePostgres({
      home,
      log: memoryLog(),
      notify: () => undefined,
      account: testAccount,
      // Nothing here has to survive a power failure.
      settings: { fsync: 'off', max_connections: 100 },
    }),
  );
  return await server;
}

async function serverHome(): Promise<string> {
  const shared = inject('stewardTestHome');
  const machine = process.env[OWN_MACHINE];
  if (machine === undefined) return shared;
  const home = join(shared, machine);
  await mkdir(join(home, 'pg'), { recursive: true });
  return home;
}

/** An empty database without any table. */
export async function emptyDatabase(): Promise<{ databaseUrl: string; drop: () => Promise<void> }> {
  return await createDatabase(await testServer());
}

/** A database of one's own with the migrations applied, and a store open on it. */
export async function testDatabase({
  migrations = [],
  now = () => new Date(),
  log = memoryLog(),
}: TestDatabaseOptions = {}): Promise<TestDatabase> {
  const running = await testServer();
  const { databaseUrl, drop } = await createDatabase(running, await template(running, migrations));
  const stores: Store[] = [];
  const open = async (): Promise<Store> => {
    const store = await openStore({
      home: '/nonexistent',
      databaseUrl,
      migrations,
      stewardVersion: '0.0.0-test',
      log,
      now,
      poolSize: 5,
    });
    stores.push(store);
    return store;
  };
  return {
    store: await open(),
    databaseUrl,
    openAnother: open,
    async drop() {
      await Promise.all(stores.map((store) => store.close()));
      await drop();
    },
  };
}

/** The name of a database that has these migrations already; copying it is faster than migrating. */
async function template(running: PostgresServer, migrations: readonly Migration[]): Promise<string> {
  const hash = createHash('sha256');
  for (const { name, up } of migrations) hash.update(`${name}\n${up.toString()}\n`);
  const name = `template_${hash.digest('hex').slice(0, 16)}`;
  await asAdmin(running, async (admin) => {
    await admin.query('select pg_advisory_lock(hashtext($1))', [name]);
    const { rowCount } = await admin.query('select from pg_database where datname = $1', [name]);
    if (rowCount) return;
    const draft = `draft_${randomBytes(6).toString('hex')}`;
    await admin.query(`create database ${draft}`);
    const store = await openStore({
      home: '/nonexistent',
      databaseUrl: normalizeDatabaseUrl(bundledUrl(running, draft)),
      migrations,
      stewardVersion: '0.0.0-test',
      log: memoryLog(),
      now: () => new Date(),
    });
    await store.close();
    await admin.query(`alter database ${draft} rename to ${name}`);
  });
  return name;
}

async function createDatabase(
  running: PostgresServer,
  from = 'template1',
): Promise<{ databaseUrl: string; drop: () => Promise<void> }> {
  const name = `test_${randomBytes(6).toString('hex')}`;
  // Cheaper than through the log of changes, where no checkpoint waits for the disk.
  await asAdmin(running, (admin) => admin.query(`create database ${name} template ${from} strategy file_copy`));
  return {
    databaseUrl: bundledUrl(running, name),
    async drop() {
      await asAdmin(running, (admin) => admin.query(`drop database if exists ${name} with (force)`));
    },
  };
}

async function asAdmin<T>(running: PostgresServer, work: (admin: pg.Client) => Promise<T>): Promise<T> {
  const admin = new pg.Client({ connectionString: bundledUrl(running) });
  await admin.connect();
  try {
    return await work(admin);
  } finally {
    await admin.end();
  }
}
