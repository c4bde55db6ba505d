import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chown, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterEach, describe, expect, it } from 'vitest';
import { ensurePostgres, stopPostgres } from '../src/store/bundled-postgres.ts';
import { memoryLog } from '../src/testing/log.ts';
import { type RunningProgram, startProgram } from '../src/testing/world/start-program.ts';
import { withDatabase } from './kit/database.ts';
import {
  eventually,
  freePort,
  makeHome,
  postmasterPid,
  removeHome,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

const BROKEN = 'monitoring:\n  every: 10s\n  failurs: 3\n';

describe('a start that cannot succeed', () => {
  const undo: (() => unknown)[] = [];
  afterEach(async () => {
    for (const step of undo.splice(0).toReversed()) await step();
  });
  const newHome = (config?: string): string => {
    const home = makeHome(config);
    undo.push(() => removeHome(home));
    return home;
  };
  const serve = (home: string, env: Record<string, string> = {}) =>
    steward(home, ['serve'], { env: { STEWARD_PORT: '0', ...env } });

  it('names line and column of a broken steward.yaml, and what was probably meant', async () => {
    const home = newHome(BROKEN);

    const refused = await serve(home);

    expect(refused.code).toBe(17);
    expect(refused.stderr).toContain('steward.yaml:3:3');
    expect(refused.stderr).toContain('failures');
    expect(await readdir(home)).not.toContain('pg');
  });

  it('says which port is taken and how to find by whom, and leaves nothing running', async () => {
    const home = newHome();
    const port = await listen(undo);

    const refused = await serve(home, { STEWARD_PORT: String(port) });

    expect(refused.code).toBe(20);
    expect(refused.stderr).toContain(`127.0.0.1:${port}`);
    expect(refused.stderr).toContain(`ss -tlnp 'sport = :${port}'`);
    expect(postmasterPid(home)).toBeUndefined();
  });

  it('refuses a home that is no folder, or in which nothing can be written', async () => {
    const file = join(newHome(), 'a-file');
    await writeFile(file, '');

    for (const home of [file, '/proc/steward']) {
      const refused = await steward('/', ['serve'], { env: { STEWARD_HOME: home, STEWARD_PORT: '0' } });
      expect([refused.code, refused.stderr], home).toMatchObject([
        19,
        expect.stringContaining(`cannot use ${home} as its data folder`),
      ]);
      expect(refused.stderr).toContain('STEWARD_HOME=');
    }
  });

  it('refuses a store that a newer Steward left, and touches nothing in it', async () => {
    const home = newHome();
    const running = await startSteward({ home });
    await withDatabase(home, (client) =>
      client.query("insert into steward_migrations values ('moons/0001-tides', now(), '99.1.0')"),
    );
    expect(await running.stop()).toBe(0);
    const before = await storeOf(home);

    const refused = await serve(home);

    expect(refused.code).toBe(22);
    expect(refused.stderr).toContain('99.1.0');
    expect(refused.stderr).toContain('moons/0001-tides');
    expect(refused.stderr).toContain('Nothing was touched');
    expect(postmasterPid(home)).toBeUndefined();
    expect(await storeOf(home)).toEqual(before);
  }, 60_000);

  it('says that the database of STEWARD_DATABASE_URL does not answer, without its password', async () => {
    const port = await freePort();
    const address = (url: string) => serve(newHome(), { STEWARD_DATABASE_URL: url });

    const refused = await address(`postgresql://steward:s3cret-word@127.0.0.1:${port}/steward`);
    expect(refused.code).toBe(21);
    expect(refused.stderr).toContain(`127.0.0.1:${port}`);
    expect(refused.stderr).toMatch(/STEWARD_DATABASE_URL|steward doctor/);
    expect(refused.stdout + refused.stderr).not.toContain('s3cret-word');

    expect(await address('mysql://a@localhost/b')).toMatchObject({
      code: 17,
      stderr: expect.stringContaining('only PostgreSQL'),
    });
    expect(await address('postgresql://localhost')).toMatchObject({
      code: 17,
      stderr: expect.stringContaining('no user and no database'),
    });
  });

  const DEBIAN = '/usr/lib/postgresql/15/bin';
  describe.skipIf(!existsSync(DEBIAN))('with a PostgreSQL of its own (needs postgresql-15)', () => {
    it('serves from it over TCP with a password, and says which password is wrong', async () => {
      const { url, server } = await startOwnPostgres(DEBIAN, undo);
      const home = newHome();
      const env = { STEWARD_DATABASE_URL: url('right horse') };

      const wrong = await serve(newHome(), { STEWARD_DATABASE_URL: url('wrong horse') });
      expect(wrong.code).toBe(21);
      expect(wrong.stderr).toContain('Check user, password and database name in STEWARD_DATABASE_URL');

      const running = await startSteward({ home, env });
      const plan = await steward(home, ['plan', 'clean-temp-files', '--json'], { env });
      expect([plan.code, plan.stderr]).toEqual([0, '']);
      expect(await stewardJson(home, ['overview'])).toMatchObject({ store: { ok: true, mode: 'external' } });
      const [run] = await stewardJson<{ status: string }[]>(home, ['runs']);
      expect(run?.status).toBe('succeeded');
      expect(existsSync(join(home, 'pg'))).toBe(false);
      expect(running.output() + (await stewardJson<unknown[]>(home, ['services'])).join()).not.toContain('right horse');
      expect(await running.stop()).toBe(0);
      expect(server.ended()).toBe(false);
    }, 60_000);
  });
});

async function listen(undo: (() => unknown)[]): Promise<number> {
  const server: Server = createServer();
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  undo.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** What the store holds, while no Steward runs: its tables and how far its events and its record of who did what reach. */
async function storeOf(home: string): Promise<unknown> {
  const server = await ensurePostgres({ home, log: memoryLog(), notify: () => undefined });
  try {
    return await withDatabase(home, async (client) => {
      const { rows } = await client.query(
        `select (select count(*) from information_schema.tables) as tables, (select max(id) from events) as events,
           (select max(seq) from audit_log) as audit, (select string_agg(name, ' ' order by name) from steward_migrations) as names`,
      );
      return rows[0];
    });
  } finally {
    await stopPostgres(server);
  }
}

async function startOwnPostgres(bin: string, undo: (() => unknown)[]) {
  const account = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  const folder = await mkdtemp(join(tmpdir(), 'stw-pg-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  if (account.uid !== undefined) await chown(folder, account.uid, account.gid);
  const data = join(folder, 'data');
  await promisify(execFile)(join(bin, 'initdb'), ['-D', data, '-U', 'postgres', '--auth=trust', '--no-sync'], {
    ...account,
    cwd: folder,
  });
  const port = await freePort();
  await writeFile(join(data, 'pg_hba.conf'), 'local all postgres trust\nhost all all 127.0.0.1/32 scram-sha-256\n');
  const program: RunningProgram = await startProgram({
    program: join(bin, 'postgres'),
    args: ['-D', data, '-p', String(port), '-k', folder, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'],
    cwd: folder,
    ...account,
    ready: { port },
  });
  let ended = false;
  undo.push(async () => {
    ended = true;
    await program.stop();
  });
  const admin = await eventually('the database', async () => {
    const client = new pg.Client({ host: folder, port, user: 'postgres', database: 'postgres' });
    await client.connect();
    return client;
  });
  await admin.query("create role steward login password 'right horse'");
  await admin.query('create database steward owner steward');
  await admin.end();
  return {
    url: (password: string): string => `postgresql://steward:${encodeURIComponent(password)}@127.0.0.1:${port}/steward`,
    server: { ended: () => ended || program.child.exitCode !== null },
  };
}
