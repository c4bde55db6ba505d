import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, chown, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createConnection } from 'mysql2/promise';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import endBlockingSession from '../../automations/end-blocking-session/index.ts';
import recycleConnections from '../../automations/recycle-connections/index.ts';
import { CheckTarget } from '../../core/check.ts';
import type { DatabaseLogin, DatabaseSession } from '../../core/ports/databases.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import { freePort, hasProgram, type RunningProgram, startProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createDatabases } from './index.ts';

const run = promisify(execFile);
const NOBODY = 65_534;
const BIN = '/usr/lib/postgresql/15/bin';
const nothing = new AbortController().signal;
const databases = createDatabases();

let folder: TempFolder;
const programs: RunningProgram[] = [];
beforeAll(async () => {
  folder = await tempFolder('stw-databases');
  await chmod(folder.path, 0o777);
});
afterAll(async () => {
  for (const program of programs.toReversed()) await program.stop();
  await folder.remove();
});

/** Somebody who is connected; `work` begins a statement without waiting for its end. */
interface Client {
  say(sql: string): Promise<unknown>;
  leave(): Promise<void>;
}
interface Server {
  readonly login: DatabaseLogin;
  client(): Promise<Client>;
}

async function postgres(): Promise<Server> {
  const port = await freePort();
  const data = join(folder.path, 'pg');
  const password = join(folder.path, 'pw');
  await writeFile(password, 's3cret\n');
  await chown(password, NOBODY, NOBODY);
  await run(
    join(BIN, 'initdb'),
    ['-D', data, '-U', 'postgres', '--auth=scram-sha-256', `--pwfile=${password}`, '--no-sync'],
    {
      uid: NOBODY,
      gid: NOBODY,
    },
  );
  programs.push(
    await startProgram({
      program: join(BIN, 'postgres'),
      args: [
        '-D',
        data,
        '-p',
        String(port),
        '-k',
        folder.path,
        '-c',
        'max_connections=10',
        '-c',
        'superuser_reserved_connections=2',
        '-c',
        'max_wal_senders=0',
      ],
      uid: NOBODY,
      gid: NOBODY,
      ready: { output: /ready to accept connections/ },
      stopMs: 10_000,
    }),
  );
  const login: DatabaseLogin = {
    kind: 'postgres',
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password: 's3cret',
    database: 'postgres',
  };
  const as = async (user: string): Promise<Client> => {
    const client = new pg.Client({ ...login, user, application_name: 'shop' });
    client.on('error', () => undefined);
    await client.connect();
    return { say: (sql) => client.query(sql), leave: () => client.end() };
  };
  const admin = await as('postgres');
  await admin.say("create role app login password 's3cret'");
  await admin.say(
    'create table things (id int primary key, n int); insert into things values (1, 0); grant all on things to app',
  );
  await admin.leave();
  return { login, client: () => as('app') };
}

async function mariadb(): Promise<Server> {
  const port = await freePort();
  const data = join(folder.path, 'mysql');
  const root = process.getuid?.() === 0 ? ['--user=root'] : [];
  await run('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...root,
  ]);
  const init = join(folder.path, 'init.sql');
  await writeFile(
    init,
    "alter user root@localhost identified by 's3cret';\ncreate database if not exists shop;\ncreate table if not exists shop.things (id int primary key, n int) engine=innodb;\ninsert ignore into shop.things values (1, 0);\ncreate user if not exists app@localhost identified by 's3cret';\ngrant all on shop.* to app@localhost;\n",
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
        ...root,
      ],
      ready: { output: /ready for connections/ },
      stopMs: 10_000,
    }),
  );
  const login: DatabaseLogin = { kind: 'mysql', host: '127.0.0.1', port, user: 'root', password: 's3cret' };
  return {
    login,
    async client() {
      const connection = await createConnection({
        host: login.host,
        port,
        user: 'app',
        password: 's3cret',
        database: 'shop',
      });
      connection.on('error', () => undefined);
      return { say: (sql) => connection.query(sql), leave: () => connection.end().catch(() => undefined) };
    },
  };
}

function world({ login }: Server) {
  const ports = { ...fakePorts(), databases };
  ports.inventory.put(aResource({ id: 'svc_db', name: 'db' }));
  const { kind, host, port, user } = login;
  ports.checks.configure('svc_db', [CheckTarget.parse({ kind, host, port, user, password: { env: 'PW' } })]);
  return { ports, secret: async () => login.password };
}

describe.each([
  ['PostgreSQL (needs root and postgresql-15)', postgres, process.getuid?.() === 0 && existsSync(join(BIN, 'initdb'))],
  ['MariaDB (needs mariadb-server)', mariadb, hasProgram('mariadbd')],
] as const)('%s', (_name, begin, isThere) => {
  describe.skipIf(!isThere)('as a target', () => {
    let server: Server;
    const clients: Client[] = [];
    const client = async (): Promise<Client> => {
      const made = await server.client();
      clients.push(made);
      return made;
    };
    const sessions = (): Promise<readonly DatabaseSession[]> => databases.sessions(server.login, nothing);
    beforeAll(async () => {
      server = await begin();
    }, 60_000);
    afterAll(async () => {
      for (const each of clients) await each.leave().catch(() => undefined);
    });

    it(
      'ends the session at the root of the waiting, rolls its work back, and lets the others go on',
      { timeout: 60_000 },
      async () => {
        const [forgetful, second, third] = [await client(), await client(), await client()];
        await forgetful.say('begin');
        await forgetful.say('update things set n = 100 where id = 1');
        const waiting = [second, third].map((each) => each.say('update things set n = n + 1 where id = 1'));
        await vi.waitFor(
          async () => expect((await sessions()).filter(({ waitsFor }) => waitsFor.length > 0)).toHaveLength(2),
          { timeout: 15_000, interval: 200 },
        );
        const refused = await performInMemory(endBlockingSession, {
          ...world(server),
          input: { service: 'db', idleForSeconds: 600 },
        });
        expect(refused).toMatchObject({
          status: 'failed',
          error: { phase: 'validate', message: expect.stringContaining('Nobody works in session') },
        });

        await vi.waitFor(
          async () =>
            expect(
              (await sessions()).some(
                ({ state, stateSeconds }) => state === 'idle-in-transaction' && stateSeconds >= 1,
              ),
            ).toBe(true),
          { timeout: 15_000, interval: 200 },
        );
        const done = await performInMemory(endBlockingSession, {
          ...world(server),
          input: { service: 'db', idleForSeconds: 1 },
        });
        expect(done.error).toBeUndefined();
        expect(done).toMatchObject({ status: 'succeeded', output: { ended: { user: 'app' }, waitedForIt: 2 } });
        await Promise.all(waiting);
        const asked = JSON.stringify(await third.say('select n from things where id = 1'));
        // 0 + 1 + 1: what the forgetful one had not committed is gone.
        expect(asked).toMatch(/"n":2\b/);
        expect(JSON.stringify(done)).not.toContain('s3cret');
      },
    );

    it('finds nothing to do where nobody waits', async () => {
      expect(await performInMemory(endBlockingSession, { ...world(server), input: { service: 'db' } })).toMatchObject({
        status: 'succeeded',
        plan: [],
        output: { ended: null },
      });
    });

    it(
      'closes what idles when no connection is left, keeps what is in a transaction, and lets others in again',
      { timeout: 60_000 },
      async () => {
        for (const each of clients.splice(0)) await each.leave().catch(() => undefined);
        const busy = await client();
        await busy.say('begin');
        await busy.say('select n from things where id = 1 for update');
        // Until nobody is let in any more.
        const full = await vi.waitFor(
          async () => {
            const refused = await client().then(
              () => undefined,
              (thrown: Error) => thrown.message,
            );
            expect(refused).toMatch(/too many|remaining connection slots|Too many/i);
            return refused;
          },
          { timeout: 20_000, interval: 10 },
        );
        expect(full).toBeDefined();
        await vi.waitFor(
          async () =>
            expect(
              (await sessions()).filter(({ state, stateSeconds }) => state === 'idle' && stateSeconds >= 1).length,
            ).toBeGreaterThan(3),
          { timeout: 15_000, interval: 200 },
        );
        const done = await performInMemory(recycleConnections, {
          ...world(server),
          input: { service: 'db', idleForSeconds: 1 },
        });
        expect(done.error).toBeUndefined();
        expect(done).toMatchObject({ status: 'succeeded', output: { user: 'app' } });
        expect(done.output?.closed).toBeGreaterThan(3);
        await expect((await client()).say('select n from things where id = 1')).resolves.toBeDefined();
        await expect(busy.say('commit')).resolves.toBeDefined();
      },
    );

    it('ends nobody else where the number was given again, and says what is wrong where it does not answer', async () => {
      expect(await databases.end(server.login, '1@nobody@nowhere', nothing)).toBe(false);
      await expect(databases.sessions({ ...server.login, password: 'guess' }, nothing)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      });
      await expect(databases.sessions({ ...server.login, port: await freePort() }, nothing)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      });
    });
  });
});
