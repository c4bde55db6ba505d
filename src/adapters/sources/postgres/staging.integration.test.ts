import { chmod, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SealedCopy, SourceReader } from '../../../core/backup/reader.ts';
import { type SourceOf } from '../../../core/backup/source.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { postgresSourceOf } from '../../../testing/backup/postgres-source.ts';
import { nobody, startPostgres, type TestPostgres } from '../../../testing/world/postgres.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { createPostgresSource } from './index.ts';

const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: { PATH: process.env['PATH'] } });
let live: TestPostgres;
let staging: TestPostgres;
let folder: TempFolder;
let store: CopyStore;
let scratch: string;
let copy: SealedCopy;

/** As on a machine that has the clients of PostgreSQL, and no server to start. */
let clients: string;

beforeAll(async () => {
  [live, staging, folder] = await Promise.all([startPostgres(), startPostgres(), tempFolder('stw-staging')]);
  await chmod(folder.path, 0o755);
  [scratch, clients] = [join(folder.path, 'scratch'), folder.path];
  for (const name of ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql'])
    await symlink(`/usr/lib/postgresql/15/bin/${name}`, join(clients, name));
  store = plainStore(join(folder.path, 'store'));
  await live.say('postgres', 'create role shopkeeper', 'create database shop owner shopkeeper');
  await live.say(
    'shop',
    'create table accounts (id int primary key, what text)',
    "insert into accounts select i, 'row ' || i from generate_series(1, 200) i",
    'alter table accounts owner to shopkeeper',
  );
  // Somebody else's there has the very name of the database that is tried.
  await staging.say('postgres', 'create database shop');
  await staging.say('shop', 'create table ours (id int)', 'insert into ours values (1)');
  copy = await makeCopy(reader(), source(), store, doing);
  // The password of neither is that of the other.
  await staging.say('postgres', "create role tester login createdb superuser password 'of staging'");
  // From here on nothing can reach the original.
  await live.stop();
}, 120_000);
afterAll(async () => {
  await live?.[Symbol.asyncDispose]();
  await staging?.[Symbol.asyncDispose]();
  await folder?.remove();
});

const reader = (folders?: readonly string[]): SourceReader<'postgres'> =>
  createPostgresSource({
    programs,
    secrets: async (reference) => ('env' in reference && reference.env === 'STAGING' ? 'of staging' : live.password),
    now: () => new Date(),
    scratch,
    account: async () => nobody,
    ...(folders && { folders: async () => folders }),
  });

const source = (drillOn?: object): SourceOf<'postgres'> =>
  postgresSourceOf(live, {
    databases: ['shop'],
    assertions: [{ name: 'all rows are there', sql: 'select count(*) = 200 from accounts' }],
    ...(drillOn && { drillOn }),
  });
const there = (more: object = {}) => ({
  host: staging.host,
  port: staging.port,
  user: 'tester',
  password: { env: 'STAGING' },
  ...more,
});
const databases = async (): Promise<string[]> =>
  (await staging.say('postgres', 'select datname as name from pg_database order by 1')).map(({ name }) => String(name));

describe('a drill of PostgreSQL on a staging server', () => {
  it.each([
    ['where this machine has no server to start', () => [reader([clients]), source(there())] as const],
    ['where the source says so', () => [reader(), source(there({ always: true }))] as const],
  ])(
    'takes place in a database that nobody has, %s, and leaves nothing',
    async (_where, made) => {
      const [by, of] = made();
      const before = await databases();
      const sandbox = await by.sandbox(of, copy, { scratch, owner: 'drill-1' }, doing);
      try {
        const on = `throw-away databases on ${staging.host}:${staging.port}`;
        expect(sandbox.restore).toMatchObject({ ok: true, statement: expect.stringContaining(on) });
        expect(await sandbox.content(doing)).toMatchObject({ ok: true });
        expect((await sandbox.assertions(doing)).layers.map(({ ok }) => ok)).toEqual([true]);
        const made = (await databases()).filter((name) => !before.includes(name));
        expect(made).toEqual([expect.stringMatching(/^steward_restore_[0-9a-f]{12}$/)]);
        expect(sandbox.environment).toMatchObject({
          STEWARD_SANDBOX_PORT: String(staging.port),
          STEWARD_SANDBOX_USER: 'tester',
          STEWARD_SANDBOX_PASSWORD: 'of staging',
          STEWARD_SANDBOX_DATABASE: made[0],
        });
        expect(sandbox.standIn).toMatchObject({ own: false, source: { port: staging.port, user: 'tester' } });
      } finally {
        await sandbox.end();
      }
      expect(await databases()).toEqual(before);
      expect(await staging.say('shop', 'select count(*)::int as n from ours')).toEqual([{ n: 1 }]);
    },
    60_000,
  );

  it('is removed there by whoever comes after a process that died', async () => {
    const by = reader([clients]);
    const before = await databases();
    await by.sandbox(source(there()), copy, { scratch, owner: 'drill-2' }, doing);
    expect((await databases()).length).toBe(before.length + 1);
    expect(await by.sweep(new Set(['drill-2']), scratch, doing)).toHaveLength(1);
    expect(await databases()).toEqual(before);
  }, 60_000);

  it.each([
    ['does not answer', { port: 1 }, 'UNAVAILABLE'],
    ['lets nobody in', { password: { env: 'LIVE' } }, 'FORBIDDEN'],
  ])('says nothing of the copy where the server %s', async (_what, wrong, code) => {
    const trying = reader([clients]).sandbox(source(there(wrong)), copy, { scratch, owner: 'drill-3' }, doing);
    await expect(trying).rejects.toMatchObject({ code });
  });

  it('says nothing of the copy where the server is older than what was copied', async () => {
    const newer = await tempFolder('stw-newer');
    for (const name of ['pg_dump', 'pg_dumpall', 'psql'])
      await symlink(`/usr/lib/postgresql/15/bin/${name}`, join(newer.path, name));
    const program = join(newer.path, 'pg_restore');
    await writeFile(program, '#!/bin/sh\necho "pg_restore (PostgreSQL) 99.1"\n', { mode: 0o755 });
    const { read } = store;
    // A copy of a server that does not exist yet.
    const future = {
      ...copy,
      store: {
        ...store,
        async *read(...[location, part, as]: Parameters<CopyStore['read']>) {
          const chunks: Uint8Array[] = [];
          for await (const chunk of read(location, part, as)) chunks.push(chunk);
          yield Buffer.from(
            Buffer.concat(chunks)
              .toString()
              .replace(/"version": ?"15[^"]*"/, '"version": "99.1"'),
          );
        },
      },
    };
    const trying = reader([newer.path]).sandbox(source(there()), future, { scratch, owner: 'drill-4' }, doing);
    await expect(trying).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringMatching(/copy is of PostgreSQL 99\.1, and .* is 15/),
    });
    await newer.remove();
  });
});
