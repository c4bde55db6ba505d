import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Part } from '../../../core/backup/copy.ts';
import type { Bytes } from '../../../core/backup/store.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { openShop, type PostgresShop } from '../../../testing/backup/postgres-shop.ts';
import { defined } from '../../../testing/defined.ts';
import { createPrograms } from '../../programs/index.ts';
import { createPostgresSource } from './index.ts';

const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: { PATH: process.env['PATH'] } });
let shop: PostgresShop;
beforeAll(async () => {
  shop = await openShop((deps) => createPostgresSource({ programs, ...deps }));
}, 120_000);
afterAll(async () => await shop?.close());

describe('a restore of PostgreSQL', () => {
  it('to the original brings every row back after a disaster, keeps what was there, and can be undone', async () => {
    const of = shop.source({ databases: ['shop'] });
    await shop.server.say('shop', 'create role reader', "comment on database shop is 'the shop'");
    await shop.server.say(
      'shop',
      "alter database shop set work_mem to '8MB'",
      "alter role reader in database shop set search_path to 'Odd', public",
      'grant create on database shop to reader',
    );
    const before = await shop.contentsNow(of);
    const copy = await makeCopy(shop.reader, of, shop.store, doing);
    await shop.server.say(
      'shop',
      'drop table orders, customers',
      'update accounts set balance = 0',
      'drop schema "Odd ""schema" cascade',
    );
    const ruined = await shop.contentsNow(of);
    expect(ruined).not.toEqual(before);
    expect(await shop.reader.occupied(of, copy, { kind: 'original' }, doing)).toEqual(['database shop']);

    const client = await shop.server.session('shop');
    const restored = await shop.reader.restore(of, copy, { kind: 'original' }, doing);
    expect(restored).toMatchObject({
      what: ['database shop'],
      kept: [expect.stringMatching(/^shop_before_\d{8}_\d{6}_\d{3}$/)],
    });
    expect(await shop.contentsNow(of)).toEqual(before);
    await expect(client.query('select 1')).rejects.toThrow(/terminat|closed|not queryable/);
    expect(
      await shop.server.say(
        'shop',
        "select pg_get_userbyid(datdba) as owner, datacl::text as acl, current_setting('work_mem') as memory from pg_database where datname = 'shop'",
      ),
    ).toEqual([{ owner: 'shopkeeper', acl: expect.stringContaining('reader=C/shopkeeper'), memory: '8MB' }]);
    expect(
      await shop.server.say('shop', 'select tableowner as owner from pg_tables where tablename = $$accounts$$'),
    ).toEqual([{ owner: 'shopkeeper' }]);

    const kept = restored.kept ?? [];
    const back = await shop.reader.undo?.(of, kept, doing);
    expect(await shop.contentsNow(of)).toEqual(ruined);
    const again = await shop.reader.undo?.(of, back?.kept ?? [], doing);
    expect(await shop.contentsNow(of)).toEqual(before);
    // What is kept is no data of the server's: the next copy leaves it alone.
    expect((await shop.reader.examine(shop.source(), doing)).parts).toEqual(['database postgres', 'database shop']);
    expect(await shop.reader.discard?.(of, again?.kept ?? [], doing)).toHaveLength(1);
    await expect(shop.reader.undo?.(of, again?.kept ?? [], doing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(shop.reader.discard?.(of, ['shop'], doing)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(await readdir(shop.scratch)).toEqual([]);
  }, 120_000);

  it('to another database leaves the original alone; a copy that is not whole replaces nothing', async () => {
    const of = shop.source({ databases: ['shop'] });
    const copy = await makeCopy(shop.reader, of, shop.store, doing);
    const before = await shop.contentsNow(of);
    const to = { kind: 'database', name: `it's "another" = one` } as const;
    expect(await shop.reader.occupied(of, copy, to, doing)).toEqual([]);
    expect(await shop.reader.restore(of, copy, to, doing)).toMatchObject({ kept: [] });
    expect(await shop.contentsNow(of)).toEqual(before);
    expect(await shop.server.say(to.name, 'select count(*)::int as count from customers')).toEqual([{ count: 50 }]);
    expect(await shop.reader.occupied(of, copy, to, doing)).toHaveLength(1);

    const dump = copy.manifest.parts.find(({ name }) => name === 'shop.dump');
    const file = join(shop.folder.path, 'store', copy.location, 'shop.dump');
    const bytes = await readFile(file);
    await writeFile(file, bytes.subarray(0, Math.floor(bytes.length / 2)));
    await expect(shop.reader.restore(of, copy, { kind: 'original' }, doing)).rejects.toMatchObject({
      code: 'VERIFICATION_FAILED',
    });
    // Also where its bytes are what its manifest says.
    const cut = await readFile(file);
    const short = { ...defined(dump), bytes: cut.length, sha256: createHash('sha256').update(cut).digest('hex') };
    const lying = {
      ...copy,
      manifest: {
        ...copy.manifest,
        parts: copy.manifest.parts.map((part) => (part.name === short.name ? short : part)),
      },
    };
    await expect(shop.reader.restore(of, lying, { kind: 'original' }, doing)).rejects.toMatchObject({
      code: 'VERIFICATION_FAILED',
    });
    const sandbox = await shop.reader.sandbox(of, lying, { scratch: shop.scratch, owner: 'drill-3' }, doing);
    expect(sandbox.restore).toMatchObject({ ok: false, statement: expect.stringContaining('pg_restore') });
    await sandbox.end();
    expect(await shop.contentsNow(of)).toEqual(before);
    expect(await shop.server.say('postgres', "select datname from pg_database where datname like 'steward%'")).toEqual(
      [],
    );
  }, 120_000);
});

describe('a restore of PostgreSQL into a new database', () => {
  it('leaves one alone that somebody made meanwhile, with whoever works there; its own of an earlier attempt is whole', async () => {
    const of = shop.source({ databases: ['shop'] });
    const copy = await makeCopy(shop.reader, of, shop.store, doing);
    const to = { kind: 'database', name: 'reports' } as const;
    const ours = { ...doing, owner: 'run_1' };
    const databases = () => shop.server.say('postgres', 'select datname as name from pg_database order by 1');
    await shop.server.say('postgres', 'create database reports');
    await shop.server.say('reports', 'create table theirs as select 1 as one');
    const before = await databases();
    await expect(shop.reader.restore(of, copy, to, ours)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('reports'),
    });
    expect(await databases()).toEqual(before);
    await shop.server.say('postgres', 'drop database reports');

    // While it loads.
    const meanwhile = (part: Part): Bytes => {
      const bytes = copy.store.read(copy.location, part, doing);
      return part.name === 'shop.dump' ? theirsThen(bytes) : bytes;
    };
    async function* theirsThen(bytes: Bytes): Bytes {
      const there = await databases();
      if (!there.some(({ name }) => name === 'reports')) await shop.server.say('postgres', 'create database reports');
      yield* bytes;
    }
    const late = { ...copy, store: { ...copy.store, read: (_: string, part: Part) => meanwhile(part) } };
    await expect(shop.reader.restore(of, late, to, ours)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await databases()).toEqual(before);
    await shop.server.say('postgres', 'drop database reports');

    expect(await shop.reader.restore(of, copy, to, ours)).toMatchObject({ what: ['database reports'], kept: [] });
    await shop.server.say('reports', 'create table written_since as select 1 as one');
    const after = await databases();
    expect(await shop.reader.restore(of, copy, to, ours)).toMatchObject({ what: ['database reports'], kept: [] });
    expect(await shop.server.say('reports', 'select one from written_since')).toEqual([{ one: 1 }]);
    for (const other of [doing, { ...doing, owner: 'run_2' }])
      await expect(shop.reader.restore(of, copy, to, other)).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await databases()).toEqual(after);
    // It is data as any other: the next copy of the server takes it along.
    expect((await shop.reader.examine(shop.source(), doing)).parts).toContain('database reports');
    await shop.server.say('postgres', 'drop database reports');
  }, 120_000);
});

describe('a restore of PostgreSQL whose process is killed', () => {
  it('leaves the original as it was, and a sweep removes what it made beside', async () => {
    await shop.server.say(
      'shop',
      'create table ballast as select i, md5(i::text) as line from generate_series(1, 300000) i',
    );
    const of = shop.source({ databases: ['shop'] });
    const copy = await makeCopy(shop.reader, of, shop.store, doing);
    const before = await shop.contentsNow(of);
    const here = (path: string): string => JSON.stringify(new URL(path, import.meta.url).href);
    const script = `
      const { createPostgresSource } = await import(${here('./index.ts')});
      const { createPrograms } = await import(${here('../../programs/index.ts')});
      const { plainStore } = await import(${here('../../../testing/backup/plain-store.ts')});
      const store = plainStore(${JSON.stringify(join(shop.folder.path, 'store'))});
      const location = ${JSON.stringify(copy.location)};
      const reader = createPostgresSource({ programs: createPrograms({ environment: process.env }), secrets: async () => ${JSON.stringify(shop.server.password)},
        now: () => new Date(), scratch: ${JSON.stringify(shop.scratch)}, account: async () => undefined });
      await reader.restore(${JSON.stringify(of)}, { store, location, manifest: await store.manifest(location) }, { kind: 'original' },
        { signal: new AbortController().signal });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: 'ignore' });
    const ended = new Promise((resolve) => child.once('exit', (_, signal) => resolve(signal)));
    const beside = async () =>
      await shop.server.say(
        'postgres',
        "select pid from pg_stat_activity where datname like 'steward_restore_%' and application_name = 'steward' and query ilike 'copy%'",
      );
    await expect.poll(async () => (await beside()).length, { timeout: 60_000, interval: 20 }).toBeGreaterThan(0);
    child.kill('SIGKILL');
    expect(await ended).toBe('SIGKILL');
    expect(await shop.contentsNow(of)).toEqual(before);
    expect(await shop.reader.sweep('all-dead', shop.scratch, doing)).toHaveLength(1);
    expect(await shop.server.say('postgres', "select datname from pg_database where datname like 'steward%'")).toEqual(
      [],
    );
    expect(await shop.contentsNow(of)).toEqual(before);
    await shop.server.say('shop', 'drop table ballast');
  }, 120_000);
});
