import { readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SourceReader } from '../../../core/backup/reader.ts';
import { StewardError } from '../../../core/errors.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { openShop, type PostgresShop } from '../../../testing/backup/postgres-shop.ts';
import { startPostgres, type TestPostgres } from '../../../testing/world/postgres.ts';
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
    const of = shop.source({
      databases: ['shop'],
      assertions: [{ name: 'accounts are there', sql: 'select count(*) = 200 from accounts' }],
    });
    const copy = await makeCopy(by, of, shop.store, doing);
    const sandbox = await by.sandbox(of, copy, { scratch: shop.scratch, owner: 'drill-4', beside: 'seen' }, doing);
    expect(sandbox.restore).toMatchObject({ ok: true, statement: expect.stringContaining('on its own server') });
    expect(sandbox.standIn?.own).toBe(false);
    expect(await sandbox.content(doing)).toMatchObject({ ok: true });
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
      const at = (user: string) =>
        shop.source({ host: small.host, port: small.port, user, databases: ['shop'], password: { env: 'PASSWORD' } });
      const copy = await makeCopy(by, at('postgres'), shop.store, doing);
      const tried = async (user: string, beside?: 'seen' | 'never') =>
        await by.sandbox(at(user), copy, { scratch: shop.scratch, owner: 'drill-7', beside }, doing).then(
          (sandbox) => sandbox.end().then(() => 'it was restored'),
          (thrown: unknown) => `${StewardError.from(thrown).code}: ${StewardError.from(thrown).message}`,
        );
      expect(await tried('postgres')).toMatch(/^DISK_FULL: A throw-away copy needs about \d+ MB in .*data/);
      expect(await tried('postgres', 'seen')).toContain('DISK_FULL');
      expect(await tried('plain', 'seen')).toMatch(/^PRECONDITION_FAILED: .*cannot be seen from here/);
      expect(await tried('postgres', 'never')).toContain('NOT_IMPLEMENTED');
      expect(await small.say('postgres', "select from pg_database where datname like 'steward%'")).toEqual([]);
      expect(await readdir(shop.scratch)).toEqual([]);
      await remove();
    },
    120_000,
  );
});
