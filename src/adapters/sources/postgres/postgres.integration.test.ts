import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SealedCopy } from '../../../core/backup/reader.ts';
import type { CopyStore } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { openShop, type PostgresShop } from '../../../testing/backup/postgres-shop.ts';
import { defined } from '../../../testing/defined.ts';
import { createPrograms } from '../../programs/index.ts';
import { sourceContract } from '../source.contract.ts';
import { createPostgresSource } from './index.ts';

const doing = { signal: new AbortController().signal };
const programs = createPrograms({ environment: { PATH: process.env['PATH'] } });
let shop: PostgresShop;
beforeAll(async () => {
  shop = await openShop((deps) => createPostgresSource({ programs, ...deps }));
}, 120_000);
afterAll(async () => await shop?.close());

/** Moves money between accounts as long as it runs: the sum is always the same. */
async function transfers(database = 'shop'): Promise<{ stop(): Promise<number> }> {
  const over = new AbortController();
  let done = 0;
  const worker = async (): Promise<void> => {
    const client = await shop.server.session(database);
    while (!over.signal.aborted) {
      const [from, to] = [1 + Math.floor(Math.random() * 200), 1 + Math.floor(Math.random() * 200)];
      await client.query('begin');
      await client.query('update accounts set balance = balance - 5, touched = touched + 1 where id = $1', [from]);
      await client.query('update accounts set balance = balance + 5, touched = touched + 1 where id = $1', [to]);
      await client.query('insert into noise values ($1)', [`moved ${done}`]);
      await client.query(Math.random() < 0.1 ? 'rollback' : 'commit');
      done += 1;
    }
    await client.end();
  };
  const workers = [worker().catch(() => undefined), worker().catch(() => undefined)];
  return {
    async stop() {
      over.abort();
      await Promise.all(workers);
      return done;
    },
  };
}

describe('a copy of a PostgreSQL server', () => {
  it('is of one instant under write load, and is proven in a throw-away server that leaves nothing', async () => {
    const writing = await transfers();
    const of = shop.source({
      assertions: [
        { name: 'no money was lost', sql: 'select sum(balance) = 200000 from accounts' },
        { name: 'there are orders', sql: 'select count(*) from orders' },
        { name: 'there are ships', sql: 'select count(*) from ships' },
        { name: 'the wrong words', sql: 'selekt 1' },
        { name: 'too slow', sql: 'select pg_sleep(60) is null', timeout: '1s' },
      ],
    });
    let copy: SealedCopy;
    try {
      copy = await makeCopy(shop.reader, of, shop.store, doing);
    } finally {
      expect(await writing.stop()).toBeGreaterThan(20);
    }
    expect(copy.manifest.parts.map(({ name }) => name).toSorted()).toEqual([
      'contents.json',
      'databases.json',
      'globals.sql',
      'postgres.dump',
      'postgres.schema.sql',
      'shop.dump',
      'shop.schema.sql',
    ]);
    expect(await shop.reader.structure(copy, doing)).toMatchObject({ layer: 'structure', ok: true });

    const sandbox = await shop.reader.sandbox(of, copy, { scratch: shop.scratch, owner: 'drill-1' }, doing);
    try {
      expect(sandbox.restore).toMatchObject({ layer: 'restore', ok: true });
      expect(sandbox.restore.durationMs).toBeGreaterThan(0);
      expect(await sandbox.content(doing)).toMatchObject({ layer: 'content', ok: true });
      const { layers, obstacle } = await sandbox.assertions(doing);
      expect(layers.map(({ ok, statement }) => [ok, statement])).toEqual([
        [true, 'no money was lost: true.'],
        [true, 'there are orders: true.'],
        [false, expect.stringContaining('relation "ships" does not exist')],
      ]);
      expect(obstacle).toMatch(
        /the wrong words: could not be asked.*syntax error.*; too slow: could not be asked.*timeout/s,
      );
      expect(sandbox.environment).toMatchObject({ STEWARD_SANDBOX_DATABASE: 'shop', STEWARD_SANDBOX_PORT: '5432' });
      const { source: there, called, own } = defined(sandbox.standIn);
      expect(own).toBe(true);
      expect([called('shop'), called('nothing')]).toEqual(['shop', undefined]);
      expect(there).toMatchObject({ name: 'main', host: sandbox.environment['STEWARD_SANDBOX_HOST'], tls: 'disable' });
    } finally {
      await sandbox.end();
      await sandbox.end();
    }
    expect(await readdir(shop.scratch)).toEqual([]);
  }, 120_000);
});

describe('what is left out of a copy of PostgreSQL', () => {
  it('is named, its values are nowhere in it, and the rest restores with its keys', async () => {
    const of = shop.source({
      databases: ['shop'],
      excludeTables: ['shop.public.noise', 'shop.public.measures'],
      excludeColumns: ['shop.public.customers.secret', 'shop.public.customers.token'],
    });
    const facts = await shop.reader.examine(of, doing);
    expect(facts.problem).toBeUndefined();
    expect(facts.leftOut).toEqual([
      { what: 'database postgres', why: 'not among the databases of this source' },
      {
        what: 'values of shop.public.customers.secret',
        why: "excluded by the configuration; a restored row has '' there",
      },
      {
        what: 'values of shop.public.customers.token',
        why: 'excluded by the configuration; a restored row has null there',
      },
      { what: 'rows of shop.public.measures_new', why: 'excluded by the configuration' },
      { what: 'rows of shop.public.measures_old', why: 'excluded by the configuration' },
      { what: 'rows of shop.public.noise', why: 'excluded by the configuration' },
    ]);
    const copy = await makeCopy(shop.reader, of, shop.store, doing);
    expect(copy.manifest.leftOut).toEqual(facts.leftOut);
    for (const part of copy.manifest.parts)
      for await (const chunk of shop.store.read(copy.location, part, doing))
        expect(Buffer.from(chunk).includes('secret-of-'), part.name).toBe(false);
    expect(await shop.reader.structure(copy, doing)).toMatchObject({ ok: true });

    const sandbox = await shop.reader.sandbox(
      shop.source({
        ...of,
        assertions: [
          {
            name: 'names stay',
            sql: "select count(*) = 50 from customers where name like 'name %' and secret = '' and token is null",
          },
          { name: 'noise is empty', sql: 'select not exists (select from noise)' },
          { name: 'keys hold', sql: "select count(*) = 1 from pg_constraint where contype = 'f'" },
        ],
      }),
      copy,
      { scratch: shop.scratch, owner: 'drill-2' },
      doing,
    );
    try {
      expect(sandbox.restore).toMatchObject({ ok: true });
      expect(await sandbox.content(doing)).toMatchObject({ ok: true });
      expect((await sandbox.assertions(doing)).layers.map(({ ok }) => ok)).toEqual([true, true, true]);
    } finally {
      await sandbox.end();
    }
  }, 120_000);

  it('is not guessed: an excluded column that nobody has, or that must be unique, is a problem', async () => {
    expect(
      await shop.reader.examine(shop.source({ excludeColumns: ['shop.public.customers.sekret'] }), doing),
    ).toMatchObject({
      problem: { message: 'No table has the excluded column shop.public.customers.sekret.' },
    });
    expect(
      await shop.reader.examine(shop.source({ excludeColumns: ['shop.public.customers.id'] }), doing),
    ).toMatchObject({
      problem: {
        message: 'shop.public.customers.id cannot be left out: it is part of a key, and it must not be null.',
      },
    });
  });
});

it('copies a database again where a lock made it give up after a part was finished', async () => {
  let tries = 0;
  const busy: CopyStore = {
    ...shop.store,
    async begin(copy, now) {
      const writer = await shop.store.begin(copy, now);
      return {
        ...writer,
        async part(part, content) {
          const made = await writer.part(part, content);
          if (part.kind === 'schema' && (tries += 1) === 1)
            throw new StewardError('LOCKED', 'A table was held for too long.');
          return made;
        },
      };
    },
  };
  const copy = await makeCopy(shop.reader, shop.source({ databases: ['shop'] }), busy, doing);
  expect(tries).toBe(2);
  expect(await shop.reader.structure(copy, doing)).toMatchObject({ ok: true });
}, 120_000);

describe('PostgreSQL, as every source', () => {
  const NAME = `we"ird $(id) 'db ü`;
  const TABLE = `"it's ""odd"""."a\nb"`;
  sourceContract(async () => {
    await shop.server.say('postgres', `create database "${NAME.replaceAll('"', '""')}"`);
    await shop.server.say(
      NAME,
      `create schema "it's ""odd"""`,
      `create table ${TABLE} (id int primary key, what text)`,
      `insert into ${TABLE} select i, 'row ' || i from generate_series(1, 500) i`,
    );
    return {
      reader: shop.reader,
      source: shop.source({ databases: [NAME] }),
      scratch: shop.scratch,
      store: join(shop.folder.path, 'contract'),
      state: async () => await shop.server.say(NAME, `select * from ${TABLE} order by id`),
      ruin: async () => void (await shop.server.say(NAME, `delete from ${TABLE} where id > 3`)),
      elsewhere: { kind: 'database', name: 'else "where"' },
    };
  });
});
