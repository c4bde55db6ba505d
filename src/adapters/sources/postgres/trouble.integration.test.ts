import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { openShop, type PostgresShop } from '../../../testing/backup/postgres-shop.ts';
import { testServer } from '../../../testing/database.ts';
import { defined } from '../../../testing/defined.ts';
import { readStat } from '../../procfs/stat.ts';
import { createPrograms } from '../../programs/index.ts';
import { accessTo } from './access.ts';
import { createPostgresSource } from './index.ts';
import { lookAtTables } from './look.ts';
import { postgresFolders } from './tools.ts';

const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: { PATH: process.env['PATH'] } });
let shop: PostgresShop;
beforeAll(async () => {
  shop = await openShop((deps) => createPostgresSource({ programs, ...deps }));
}, 120_000);
afterAll(async () => await shop?.close());

describe('a copy of PostgreSQL that cannot be made', () => {
  const problem = async (of: SourceOf<'postgres'>, by = shop.reader) => (await by.examine(of, doing)).problem;

  it('says so: wrong password, nobody there, no such database, no programs, programs that are too old', async () => {
    const made = (more: object) =>
      createPostgresSource({
        programs,
        ...shop.deps,
        ...more,
      });
    expect(await problem(shop.source(), made({ secrets: async () => 'wrong' }))).toMatchObject({
      message: expect.stringMatching(/password authentication failed/),
    });
    expect(await problem(shop.source({ port: 1 }))).toMatchObject({ message: expect.stringMatching(/ECONNREFUSED/) });
    expect(await problem(shop.source({ databases: ['shap'] }))).toMatchObject({
      message: expect.stringMatching(/has no database shap/),
    });
    expect(await problem(shop.source(), made({ folders: async () => [] }))).toMatchObject({
      message: expect.stringMatching(/pg_dump.* not installed/),
      hint: expect.stringContaining('postgresql-client-15'),
    });
    const newer = await testServer();
    const of = shop.source({ host: newer.socketDir, port: 5432, user: 'steward' });
    expect(await problem(of, made({ secrets: async () => newer.password }))).toMatchObject({
      message: expect.stringMatching(/^The server is PostgreSQL 18, and the programs on this machine are 15\./),
    });
  }, 120_000);

  it('is made without a database that is removed meanwhile, and says so, unless the source names it', async () => {
    await shop.server.say('postgres', 'create database passing');
    const access = await accessTo(shop.source(), shop.deps);
    const looked = await lookAtTables(access, ['postgres', 'gone before'], shop.source(), doing);
    expect(looked).toMatchObject({ databases: ['postgres'], problem: undefined });
    await expect(lookAtTables(access, ['gone'], shop.source({ databases: ['gone'] }), doing)).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    let asked = 0;
    const folders = async (): Promise<string[]> => {
      // The second time they are wanted, the databases to copy are listed, and none is held yet.
      if ((asked += 1) === 2) await shop.server.say('postgres', 'drop database passing');
      return await postgresFolders();
    };
    const reader = createPostgresSource({ programs, ...shop.deps, folders });
    const copy = await makeCopy(reader, shop.source({ excludeDatabases: ['shop'] }), shop.store, doing);
    expect(copy.manifest.leftOut).toContainEqual({
      what: 'database passing',
      why: 'it was removed while the copy was made',
    });
    expect(copy.manifest.parts.map(({ name }) => name)).toContain('postgres.dump');
  }, 120_000);

  it('of a user who may not see all of it is none', async () => {
    await shop.server.say(
      'shop',
      `create role clerk login password '${shop.server.password}'`,
      'grant select on accounts to clerk',
    );
    expect(await problem(shop.source({ user: 'clerk', databases: ['shop'] }))).toMatchObject({
      message: expect.stringMatching(/clerk may not read shop\./),
      hint: expect.stringContaining('pg_read_all_data'),
    });
    await shop.server.say('shop', 'grant pg_read_all_data to clerk', 'alter table accounts enable row level security');
    expect(await problem(shop.source({ user: 'clerk', databases: ['shop'] }))).toMatchObject({
      message: expect.stringMatching(/only some rows of shop\.public\.accounts/),
      hint: expect.stringContaining('BYPASSRLS'),
    });
    await shop.server.say('shop', 'alter table accounts disable row level security');
    expect(await problem(shop.source({ user: 'clerk', databases: ['shop'] }))).toMatchObject({
      message: 'clerk may not read 1 large object of shop.',
    });
    const [object] = await shop.server.say('shop', 'select oid::text as oid from pg_largeobject_metadata');
    await shop.server.say('shop', `grant select on large object ${String(object?.['oid'])} to clerk`);
    const copy = await makeCopy(shop.reader, shop.source({ user: 'clerk', databases: ['shop'] }), shop.store, doing);
    expect(copy.manifest.leftOut).toContainEqual({
      what: 'passwords of roles',
      why: expect.stringContaining('clerk is no superuser'),
    });
  }, 120_000);

  it('leaves nothing where pg_dump is killed, the server stops, or somebody cancels', async () => {
    await shop.server.say(
      'shop',
      'create table heap (line text)',
      'insert into heap select repeat(md5(i::text), 30) from generate_series(1, 60000) i',
    );
    const of = shop.source({ databases: ['shop'] });
    const copies = await shop.store.list(doing);
    const during = async (trouble: (pid: number) => Promise<void>, signal = doing.signal): Promise<unknown> => {
      let pid: number | undefined;
      const recorded = programs.recorded(async (child) => void (pid ??= child.pid));
      const by = createPostgresSource({
        programs: recorded,
        ...shop.deps,
      });
      // A store that takes its time with the dump, so that the trouble comes in the middle of it.
      let seen = 0;
      const slow: CopyStore = {
        ...shop.store,
        async begin(name, now) {
          const writer = await shop.store.begin(name, now);
          return {
            ...writer,
            part: (part, content) =>
              writer.part(
                part,
                (async function* () {
                  for await (const chunk of content) {
                    if (part.name === 'shop.dump' && (seen += chunk.length) > 1_000_000 && pid !== undefined) {
                      const victim = pid;
                      pid = undefined;
                      await trouble(victim);
                    }
                    yield chunk;
                  }
                })(),
              ),
          };
        },
      };
      return await makeCopy(by, of, slow, { signal }).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );
    };
    // The first child asks pg_restore for its version, so the dump is known by its name.
    const dumps = async (): Promise<number[]> =>
      (await readdir('/proc'))
        .map(Number)
        .filter((pid) => pid > 0 && commandOf(pid).includes(`/pg_dump\0-Fc`) && readStat(pid)?.parent === process.pid);
    expect(await during(async () => void process.kill(defined((await dumps())[0]), 'SIGKILL'))).toMatchObject({
      code: 'PROGRAM_FAILED',
      message: expect.stringContaining('SIGKILL'),
    });
    expect(await during(() => shop.server.stop())).toMatchObject({ code: 'UNAVAILABLE' });
    await shop.server.start();
    const stop = new AbortController();
    expect(await during(async () => stop.abort(), stop.signal)).toMatchObject({ code: 'CANCELED' });
    expect(await dumps()).toEqual([]);
    expect(await shop.store.list(doing)).toEqual(copies);
    expect((await readdir(join(shop.folder.path, 'store'))).filter((name) => name.startsWith('.'))).toEqual([]);
    await expect
      .poll(
        async () =>
          (
            await shop.server.say(
              'postgres',
              "select count(*)::int as count from pg_stat_activity where application_name in ('steward', 'pg_dump')",
            )
          )[0]?.['count'],
        { timeout: 20_000 },
      )
      .toBe(0);
  }, 120_000);

  it('waits for whoever changes a table, and copies it before or after', async () => {
    const session = await shop.server.session('shop');
    await session.query('begin');
    await session.query('alter table drafts add column note text');
    const making = makeCopy(shop.reader, shop.source({ databases: ['shop'] }), shop.store, doing);
    await expect
      .poll(
        async () =>
          (await shop.server.say('postgres', 'select count(*)::int as count from pg_locks where not granted'))[0]?.[
            'count'
          ],
        { timeout: 20_000 },
      )
      .toBeGreaterThan(0);
    await session.query('commit');
    await session.end();
    const copy = await making;
    expect(await shop.reader.structure(copy, doing)).toMatchObject({ ok: true });
  }, 120_000);
});

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}
