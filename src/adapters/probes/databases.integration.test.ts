import { execFile } from 'node:child_process';
import { chmod, chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Connection, createConnection } from 'mysql2/promise';
import pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CheckTarget, type ProbeResult } from '../../core/check.ts';
import { type RunningProgram, freePort, hasProgram, startProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createProber } from './index.ts';

// A lock that is really held, and connections that are really all taken.

const run = promisify(execFile);
const NOBODY = 65_534;
const prober = createProber({ secrets: async () => 's3cret' });
const password = { env: 'PASSWORD' };

let folder: TempFolder;
const programs: RunningProgram[] = [];
beforeAll(async () => {
  folder = await tempFolder('stw-db');
  await chmod(folder.path, 0o777);
});
afterAll(async () => {
  for (const program of programs.toReversed()) await program.stop();
  await prober.close();
  await folder.remove();
});

const look = (target: object): Promise<ProbeResult> =>
  prober.probe(CheckTarget.parse(target), {
    timeoutMs: 5_000,
    slowMs: 30_000,
    signal: new AbortController().signal,
  });
const eventually = (assertion: () => Promise<void>) => vi.waitFor(assertion, { timeout: 10_000, interval: 100 });

const BIN = '/usr/lib/postgresql/15/bin';
/** A busy server frees the place of a connection some time after that was closed, and the looks of the check are connections, too. */
async function letIn<T>(full: string, connect: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + 10_000; ; await sleep(20)) {
    try {
      return await connect();
    } catch (thrown) {
      if ((thrown as { code?: string }).code !== full || performance.now() > deadline) throw thrown;
    }
  }
}

describe.skipIf(process.getuid?.() !== 0 || !hasProgram(`../lib/postgresql/15/bin/postgres`))(
  'PostgreSQL (needs root and postgresql-15)',
  () => {
    let port: number;
    const clients: pg.Client[] = [];
    const connected = async (): Promise<pg.Client> => {
      const client = await letIn('53300', async () => {
        const made = new pg.Client({ host: '127.0.0.1', port, user: 'app', password: 's3cret', database: 'postgres' });
        made.on('error', () => undefined);
        await made.connect();
        return made;
      });
      clients.push(client);
      return client;
    };
    beforeAll(async () => {
      port = await freePort();
      const data = join(folder.path, 'pg');
      const file = join(folder.path, 'pw');
      await writeFile(file, 's3cret\n');
      await chown(file, NOBODY, NOBODY);
      await run(
        join(BIN, 'initdb'),
        ['-D', data, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${file}`, '--no-sync'],
        { uid: NOBODY, gid: NOBODY },
      );
      const settings = ['max_connections=10', 'superuser_reserved_connections=2', 'max_wal_senders=0'];
      programs.push(
        await startProgram({
          program: join(BIN, 'postgres'),
          args: ['-D', data, '-p', String(port), '-k', folder.path, ...settings.flatMap((setting) => ['-c', setting])],
          uid: NOBODY,
          gid: NOBODY,
          ready: { output: /ready to accept connections/ },
          stopMs: 10_000,
        }),
      );
      const admin = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password: 's3cret' });
      await admin.connect();
      // The check asks as somebody without any right to watch others.
      await admin.query(
        `create role app login password 's3cret'; create table public.t (x int); insert into t values (1); grant all on t to app`,
      );
      await admin.end();
    });
    afterAll(async () => {
      for (const client of clients) await client.end().catch(() => undefined);
    });
    const check = () => ({ kind: 'postgres', port, user: 'app', database: 'postgres', password, maxLockWait: '200ms' });

    it('is locked while somebody waits for a lock for too long, names who holds it, and recovers', async () => {
      expect(await look(check())).toMatchObject({ state: 'up', depth: 'query', detail: { maxConnections: 8 } });
      const [holder, waiter] = [await connected(), await connected()];
      await holder.query('begin; update t set x = 2');
      const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid');
      const waiting = waiter.query('update t set x = 3');
      await eventually(async () =>
        expect(await look(check())).toMatchObject({
          state: 'degraded',
          problem: 'database.locked',
          message: expect.stringContaining(`pid ${rows[0]?.pid}`),
          detail: { waiting: 1 },
        }),
      );
      expect(await look({ ...check(), maxLockWait: '1h' })).toMatchObject({ state: 'up' });
      await holder.query('commit');
      await waiting;
      expect(await look(check())).toMatchObject({ state: 'up' });
    });

    it('has its pool exhausted, at first nearly and then for the check itself, and recovers', async () => {
      while (clients.length < 6) await connected();
      await eventually(async () => expect(await look(check())).toMatchObject({ state: 'up' }));
      await connected();
      // The look before may still be counted.
      await eventually(async () =>
        expect(await look(check())).toMatchObject({
          state: 'degraded',
          problem: 'pool.exhausted',
          detail: { connections: 8 },
        }),
      );
      await connected();
      expect(await look(check())).toMatchObject({ state: 'degraded', problem: 'pool.exhausted', depth: 'handshake' });
      for (const client of clients.splice(2)) await client.end();
      await eventually(async () => expect(await look(check())).toMatchObject({ state: 'up' }));
    });
  },
);

describe.skipIf(!hasProgram('mariadbd'))('MariaDB (needs mariadb-server)', () => {
  let port: number;
  const connections: Connection[] = [];
  const connected = async (user = 'app'): Promise<Connection> => {
    const connection = await letIn('ER_CON_COUNT_ERROR', () =>
      createConnection({ host: '127.0.0.1', port, user, password: 's3cret', database: 'app' }),
    );
    connection.on('error', () => undefined);
    connections.push(connection);
    return connection;
  };
  beforeAll(async () => {
    port = await freePort();
    const data = join(folder.path, 'mysql');
    const asRoot = process.getuid?.() === 0 ? ['--user=root'] : [];
    await run('mariadb-install-db', [
      '--no-defaults',
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      ...asRoot,
    ]);
    const init = join(folder.path, 'init.sql');
    await writeFile(
      init,
      "create database app; create table app.t (x int primary key, y int); insert into app.t values (1, 1); create user app@'%' identified by 's3cret'; grant all on app.* to app@'%'; create user watch@'%' identified by 's3cret'; grant process on *.* to watch@'%';\n".replaceAll(
        '; ',
        ';\n',
      ),
    );
    programs.push(
      await startProgram({
        program: 'mariadbd',
        args: [
          '--no-defaults',
          `--datadir=${data}`,
          `--port=${port}`,
          '--bind-address=127.0.0.1',
          `--socket=${join(folder.path, 'my')}`,
          `--init-file=${init}`,
          '--max-connections=10',
          ...asRoot,
        ],
        ready: { output: /ready for connections/ },
        stopMs: 10_000,
      }),
    );
    // The file with the users is read once it listens.
    await vi.waitUntil(async () => (await look(check())).state === 'up', { timeout: 10_000, interval: 100 });
  });
  afterAll(() => {
    for (const connection of connections) connection.destroy();
  });
  const check = () => ({ kind: 'mysql', port, user: 'watch', password, maxLockWait: '200ms' });

  it('is locked while somebody waits for a row for too long, and recovers', async () => {
    const [holder, waiter] = [await connected(), await connected()];
    await holder.query('begin');
    await holder.query('update t set y = 2 where x = 1');
    const waiting = waiter.query('update t set y = 3 where x = 1');
    await eventually(async () =>
      expect(await look(check())).toMatchObject({
        state: 'degraded',
        problem: 'database.locked',
        message: expect.stringContaining(`connection ${holder.threadId}`),
      }),
    );
    await holder.query('commit');
    await waiting;
    // What the engine tells of its transactions is a tenth of a second old.
    await eventually(async () => expect(await look(check())).toMatchObject({ state: 'up' }));
  });

  it('has its pool exhausted, at first nearly and then for the check itself, and recovers', async () => {
    while (connections.length < 8) await connected();
    // The look before may still be counted.
    await eventually(async () =>
      expect(await look(check())).toMatchObject({
        state: 'degraded',
        problem: 'pool.exhausted',
        detail: { connections: 9 },
      }),
    );
    while (connections.length < 10) await connected();
    expect(await look(check())).toMatchObject({ state: 'degraded', problem: 'pool.exhausted', depth: 'handshake' });
    for (const connection of connections.splice(2)) await connection.end();
    await eventually(async () => expect(await look(check())).toMatchObject({ state: 'up' }));
  });
});
