import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  statfs,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sql } from 'kysely';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { testAccount } from '../testing/database.ts';
import { memoryLog } from '../testing/log.ts';
import { bundledUrl, ensurePostgres, type PostgresServer } from './bundled-postgres.ts';
import { serviceAccount } from './pg-account.ts';
import { pgHome } from './pg-home.ts';
import { isAlive, isPostmaster, orphans, readPidFile, stopPostmaster } from './pg-process.ts';
import { openStore, type OpenStoreOptions, type Store } from './store.ts';

const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;
let home: string;
const cleanUp: (() => unknown)[] = [];

/** A home whose store was created and stopped. */
let made: string;

beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), 'steward-pg-'));
  const server = await ensure({ home: made });
  await stopPostmaster(server.pid, 10_000);
});
afterAll(() => rm(made, { recursive: true, force: true }));
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'steward-pg-'));
});
afterEach(async () => {
  for (const step of cleanUp.splice(0).toReversed()) await step();
  const server = await readPidFile(pgHome(home));
  if (server && (await isPostmaster(pgHome(home), server.pid))) await stopPostmaster(server.pid, 10_000);
  await rm(home, { recursive: true, force: true });
});

async function ensure(options: { home?: string; log?: ReturnType<typeof memoryLog> } = {}): Promise<PostgresServer> {
  return await ensurePostgres({ home, log: memoryLog(), notify: () => undefined, account: testAccount, ...options });
}

async function open(options: Partial<OpenStoreOptions> = {}): Promise<Store> {
  const store = await openStore({
    home,
    migrations: [],
    stewardVersion: '1',
    log: memoryLog(),
    now: () => new Date(),
    account: testAccount,
    ...options,
  });
  cleanUp.push(() => store.close());
  return store;
}

/** As after an earlier run of Steward: creating a store takes longer than most of what is asked of it here. */
const created = async (folder = home): Promise<void> =>
  void (await run('cp', ['-a', pgHome(made).root, pgHome(folder).root]));

/** Another Steward, which opens the store, says so, and stays until it is killed. */
async function otherSteward(): Promise<ChildProcess> {
  const script = `
    import { openStore } from ${JSON.stringify(new URL('store.ts', import.meta.url).href)};
    const quiet = { debug() {}, info() {}, warn() {}, error() {} };
    const store = await openStore({ home: ${JSON.stringify(home)}, migrations: [], stewardVersion: '1', log: quiet, now: () => new Date(), account: ${JSON.stringify(testAccount)} });
    await store.pool.query('create table kept as select 1 as n');
    console.log('open');
    setInterval(() => undefined, 1_000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  cleanUp.push(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

const pidOf = async (): Promise<number> => (await readPidFile(pgHome(home)))?.pid ?? 0;
const ended = (pid: number) =>
  vi.waitFor(async () => expect(await isPostmaster(pgHome(home), pid)).toBe(false), { timeout: 10_000 });

describe('the bundled PostgreSQL', () => {
  it('opens on an empty home, keeps its data over a clean restart, and leaves no process', async () => {
    const first = await open();
    await sql`create table kept as select 1 as n`.execute(first.db);
    const pid = await pidOf();
    await first.close();

    expect(isAlive(pid)).toBe(false);
    const second = await open();
    expect((await sql`select * from kept`.execute(second.db)).rows).toEqual([{ n: 1 }]);
    expect((await sql`show server_encoding`.execute(second.db)).rows).toEqual([{ server_encoding: 'UTF8' }]);
    expect((await sql`show data_checksums`.execute(second.db)).rows).toEqual([{ data_checksums: 'on' }]);
    expect((await sql`show fsync`.execute(second.db)).rows).toEqual([{ fsync: 'on' }]);
  });

  it('lets in only who has the password, and by the socket only', async () => {
    await created();
    const server = await ensure();
    const wrong = new URL(bundledUrl(server));
    wrong.password = 'guess';

    const opening = openStore({
      home,
      databaseUrl: wrong.toString(),
      migrations: [],
      stewardVersion: '1',
      log: memoryLog(),
      now: () => new Date(),
    });

    await expect(opening).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
    expect((await stat(pgHome(home).password)).mode & 0o777).toBe(0o600);
    expect((await stat(server.socketDir)).mode & 0o777).toBe(0o700);
    const sockets = await run('ss', ['-tlnpH']).catch(() => ({ stdout: '' }));
    expect(sockets.stdout).not.toContain(`pid=${server.pid},`);
  });

  it('survives kill -9 of Steward and is adopted by the next', async () => {
    await created();
    const killed = await otherSteward();
    const pid = await pidOf();
    killed.kill('SIGKILL');
    await once(killed, 'exit');

    const store = await open();

    expect(await pidOf()).toBe(pid);
    expect((await sql`select n from kept`.execute(store.db)).rows).toEqual([{ n: 1 }]);
  });

  it('stays for the Steward that serves when a command beside it closes', async () => {
    await created();
    const serving = await open();
    const command = await open({ keepServer: true });

    await command.close();

    expect(await serving.health()).toMatchObject({ ok: true });
  });

  it('is one server where two start on one home at once', async () => {
    const [one, two] = await Promise.all([ensure(), ensure()]);

    expect(one.pid).toBe(two.pid);
    expect(await isPostmaster(one.paths, one.pid)).toBe(true);
  });

  it('is started again after kill -9, and calls in between say that it can get better', async () => {
    await created();
    const store = await open();
    const seen: number[] = [];
    store.events.consume({ consumer: 'tests', pollMs: 500, handle: async ({ id }) => void seen.push(id) });
    const heard: boolean[] = [];
    store.onAvailability((available) => heard.push(available));
    const pid = await pidOf();
    const sleeping = sql`select pg_sleep(30)`.execute(store.db);
    await vi.waitFor(async () =>
      expect(
        (
          await sql`select from pg_stat_activity where query like 'select pg_sleep(30)%' and pid <> pg_backend_pid()`.execute(
            store.db,
          )
        ).rows,
      ).toHaveLength(1),
    );

    process.kill(pid, 'SIGKILL');

    await expect(sleeping).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
    await vi.waitFor(async () => expect(await store.health()).toMatchObject({ ok: true }), {
      timeout: 20_000,
      interval: 100,
    });
    expect(await pidOf()).not.toBe(pid);
    const written = await store.db
      .transaction()
      .execute((trx) => store.events.append(trx, { type: 'service.up', data: {} }));
    await vi.waitFor(() => expect(seen).toEqual([written.id]), { timeout: 10_000 });
    await vi.waitFor(() => expect(heard).toEqual([false, true]), { timeout: 10_000 });
  }, 60_000);

  it('ends a session that outlived its server, since no other could start beside it', async () => {
    await created();
    const server = await ensure();
    const [orphan] = (await run('pgrep', ['-P', String(server.pid)])).stdout.trim().split('\n').map(Number);
    // Frozen, it does not notice that its server is gone.
    process.kill(orphan ?? 0, 'SIGSTOP');
    process.kill(server.pid, 'SIGKILL');
    await ended(server.pid);
    expect(await orphans(server.paths)).toContain(orphan);

    const next = await ensure();

    expect(next.pid).not.toBe(server.pid);
    await vi
      .waitFor(() => expect(isAlive(orphan ?? 0)).toBe(false), { timeout: 5_000 })
      .catch(async () => expect(await orphans(server.paths)).toEqual([]));
  }, 60_000);

  it('starts although the number in a stale pid file belongs to another program', async () => {
    await created();
    const server = await ensure();
    process.kill(server.pid, 'SIGKILL');
    await ended(server.pid);
    const innocent = spawn('sleep', ['60'], testAccount ? { uid: testAccount.uid } : {});
    cleanUp.push(() => innocent.kill());
    for (const file of [join(server.paths.data, 'postmaster.pid'), join(server.socketDir, '.s.PGSQL.5432.lock')])
      await writeFile(file, (await readFile(file, 'utf8')).replace(/^\d+/, String(innocent.pid)));

    const next = await ensure();

    expect(next.adopted).toBe(false);
    expect(isAlive(innocent.pid ?? 0)).toBe(true);
  });

  it('freezing fails the calls that wait, tells so, and is used again once it answers', async () => {
    await created();
    const store = await open();
    const heard: boolean[] = [];
    store.onAvailability((available) => heard.push(available));
    const three = async () =>
      await Promise.all([1, 2, 3].map((n) => sql`select ${n}::int, pg_sleep(0.05)`.execute(store.db)));
    await three();
    const { rows } = await sql<{
      pid: number;
    }>`select pid from pg_stat_activity where backend_type = 'client backend'`.execute(store.db);
    const frozen = [await pidOf(), ...rows.map(({ pid }) => pid)];
    const thaw = () => frozen.forEach((pid) => isAlive(pid) && process.kill(pid, 'SIGCONT'));
    cleanUp.push(thaw);
    frozen.forEach((pid) => process.kill(pid, 'SIGSTOP'));

    await expect(sql`select 1`.execute(store.db)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', retryable: true });
    expect(await store.health()).toMatchObject({ ok: false });
    thaw();

    await vi.waitFor(() => expect(heard).toEqual([false, true]), { timeout: 20_000 });
    await expect(three()).resolves.toHaveLength(3);
  }, 90_000);
});

describe('the home of the store', () => {
  it('of a newer PostgreSQL is refused, untouched', async () => {
    await created();
    const server = await ensure();
    await stopPostmaster(server.pid, 10_000);
    await writeFile(join(server.paths.data, 'PG_VERSION'), '19\n');
    const before = await readdir(server.paths.data);

    await expect(ensure()).rejects.toMatchObject({ code: 'STORE_NEWER', message: expect.stringContaining('19') });

    expect(await readdir(server.paths.data)).toEqual(before);
  });

  it('that is a file is unusable, and says which', async () => {
    const file = join(home, 'file');
    await writeFile(file, '');

    await expect(ensure({ home: file })).rejects.toMatchObject({
      code: 'HOME_UNUSABLE',
      message: expect.stringContaining(file),
      hint: expect.stringContaining('STEWARD_HOME'),
    });
  });

  it('without its password is unusable, and says what to put back', async () => {
    await created();
    const server = await ensure();
    await stopPostmaster(server.pid, 10_000);
    await rm(server.paths.password);

    await expect(ensure()).rejects.toMatchObject({
      code: 'HOME_UNUSABLE',
      message: expect.stringContaining(server.paths.password),
    });
  });

  it('may lie so deep that the socket has to go elsewhere', async () => {
    const deep = join(home, 'a'.repeat(60), 'b'.repeat(60));
    if (testAccount) {
      await mkdir(deep, { recursive: true });
      for (const folder of [home, join(home, 'a'.repeat(60))]) await chmod(folder, 0o755);
    }

    const server = await ensure({ home: deep });
    cleanUp.push(async () => {
      await stopPostmaster(server.pid, 10_000);
      await rm(server.socketDir, { recursive: true, force: true });
    });

    expect(server.socketDir).toMatch(/^\/tmp\/steward-[0-9a-f]{12}$/);
    expect((await stat(server.socketDir)).mode & 0o777).toBe(0o700);
  });

  it('gets whole binaries again where a crash or a hand left broken ones', async () => {
    await created();
    const server = await ensure();
    await stopPostmaster(server.pid, 10_000);
    const version = (await readdir(server.paths.root)).find((entry) => /^\d/.test(entry)) ?? '';
    const binary = join(server.paths.root, version, 'bin', 'postgres');
    const whole = await readFile(binary);
    // Another file in its place: some process of the server that is just ending may still run from this one.
    await rm(binary);
    await writeFile(binary, whole.subarray(0, 1_000), { mode: 0o755 });

    await expect(ensure()).resolves.toMatchObject({ adopted: false });
  });

  it('is not confused by an attempt to create the store that was cut short', async () => {
    const paths = pgHome(home);
    const gone = spawn('true');
    await once(gone, 'exit');
    await mkdir(join(paths.root, `creating-${gone.pid}-x`, 'data'), { recursive: true });
    await mkdir(join(paths.root, 'installing-x'));

    await ensure();

    expect((await readdir(paths.root)).filter((entry) => /ing-/.test(entry))).toEqual([]);
  });

  it('says why where the server does not start', async () => {
    await created();
    const server = await ensure();
    await stopPostmaster(server.pid, 10_000);
    await appendFile(join(server.paths.data, 'pg_hba.conf'), 'nonsense\n');

    await expect(ensure()).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('pg_hba.conf'),
      hint: expect.stringContaining(server.paths.log),
    });
  });
});

describe.skipIf(!isRoot)('as root', () => {
  it('names the folder that keeps the server out', async () => {
    const inner = join(home, 'inner');
    await mkdir(inner);

    await expect(ensure({ home: inner })).rejects.toMatchObject({
      code: 'HOME_UNUSABLE',
      message: expect.stringContaining(`may not enter ${home},`),
    });
  });

  it('refuses an ordinary user a home that is not theirs', async () => {
    const script = `
      import { ensurePostgres } from ${JSON.stringify(new URL('bundled-postgres.ts', import.meta.url).href)};
      const quiet = { debug() {}, info() {}, warn() {}, error() {} };
      await ensurePostgres({ home: ${JSON.stringify(home)}, log: quiet, notify: () => undefined }).catch(({ code }) => console.log(code));`;
    await chmod(home, 0o755);

    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
      uid: 65_534,
      gid: 65_534,
      cwd: '/',
      env: { PATH: process.env['PATH'] },
    });

    expect(stdout.trim()).toBe('HOME_UNUSABLE');
  });

  it('creates one system user, says so and records it, once', async () => {
    const name = `steward-t${process.pid}`;
    cleanUp.push(() => run('userdel', [name]));
    const said: string[] = [];

    const created = await serviceAccount(pgHome(home), (message) => said.push(message), [name]);
    const found = await serviceAccount(pgHome(home), (message) => said.push(message), [name]);

    expect(created).toEqual(found);
    expect(created?.uid).toBeLessThan(1_000);
    expect(said).toEqual([expect.stringContaining(name)]);
    expect(JSON.parse(await readFile(pgHome(home).createdUser, 'utf8'))).toEqual({ user: name, uid: created?.uid });
  });

  describe('with a disk that fills up', () => {
    let disk: string;
    beforeEach(async ({ skip }) => {
      disk = join(home, 'disk');
      await mkdir(disk);
      await chmod(home, 0o755);
      const size = ['-t', 'tmpfs', '-o', 'size=192m', 'tmpfs', disk];
      await run('mount', size).catch(() => skip('this machine does not let root mount'));
      cleanUp.push(() => run('umount', ['-l', disk]));
    });
    const fill = async (leaveMiB: number) => {
      const { bavail, bsize } = await statfs(disk);
      await writeFile(join(disk, 'ballast'), Buffer.alloc(bavail * bsize - leaveMiB * 1024 * 1024));
    };

    it('says so before it starts, and starts once there is room', async () => {
      await fill(40);

      await expect(ensure({ home: disk })).rejects.toMatchObject({
        code: 'DISK_FULL',
        hint: expect.stringContaining(disk),
      });
      await rm(join(disk, 'ballast'));
      const server = await ensure({ home: disk });
      cleanUp.push(() => stopPostmaster(server.pid, 10_000));

      expect(server.adopted).toBe(false);
    });

    it('says so while it serves, loses nothing that was stored, and goes on once there is room', async () => {
      await created(disk);
      const store = await open({ home: disk });
      const append = async (size: number) => {
        const data = { text: randomBytes(size).toString('hex') };
        return await store.db.transaction().execute((trx) => store.events.append(trx, { type: 'service.up', data }));
      };
      const stored = [(await append(1_000)).id];
      await fill(1);
      let error: unknown;
      while (!error) {
        try {
          stored.push((await append(200_000)).id);
        } catch (thrown) {
          error = thrown;
        }
      }

      expect(error).toMatchObject({ code: expect.stringMatching(/^(DISK_FULL|STORE_UNAVAILABLE)$/), retryable: true });
      await rm(join(disk, 'ballast'));
      await vi.waitFor(async () => await append(10), { timeout: 20_000, interval: 200 });
      expect((await store.events.read()).map(({ id }) => id)).toEqual(expect.arrayContaining(stored));
    }, 60_000);
  });

  it('runs nothing as root, and an ordinary user needs none of this', async () => {
    const other = { uid: 65_534, gid: 65_534 };
    await chown(home, other.uid, other.gid);
    // A checkout that this user can read.
    const script = `
      import { ensurePostgres, stopPostgres } from ${JSON.stringify(new URL('bundled-postgres.ts', import.meta.url).href)};
      const quiet = { debug() {}, info() {}, warn() {}, error() {} };
      const server = await ensurePostgres({ home: ${JSON.stringify(home)}, log: quiet, notify: (message) => console.log('notify', message) });
      console.log(JSON.stringify({ pid: server.pid, uid: process.getuid() }));
      await ensurePostgres({ home: ${JSON.stringify(home)}, log: quiet, notify: () => undefined });`;

    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], {
      ...other,
      cwd: home,
      env: { PATH: process.env['PATH'], HOME: home },
    });

    const { pid, uid } = JSON.parse(stdout) as { pid: number; uid: number };
    expect(uid).toBe(other.uid);
    expect((await stat(`/proc/${pid}`)).uid).toBe(other.uid);
  });
});
