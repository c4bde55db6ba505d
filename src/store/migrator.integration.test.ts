import { sql } from 'kysely';
import { afterEach, describe, expect, it } from 'vitest';
import { emptyDatabase } from '../testing/database.ts';
import { memoryLog } from '../testing/log.ts';
import type { Migration } from './migrator.ts';
import { openStore, type Store } from './store.ts';

const cleanUp: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const step of cleanUp.splice(0).toReversed()) await step();
});

async function database(): Promise<string> {
  const { databaseUrl, drop } = await emptyDatabase();
  cleanUp.push(drop);
  return databaseUrl;
}

async function open(databaseUrl: string, migrations: readonly Migration[]): Promise<Store> {
  const store = await openStore({
    home: '/nonexistent',
    databaseUrl,
    migrations,
    stewardVersion: '1.2.3',
    log: memoryLog(),
    now: () => new Date(),
  });
  cleanUp.push(() => store.close());
  return store;
}

const creates = (table: string): Migration => ({
  name: `tests/${table}`,
  async up(db) {
    await db.schema.createTable(table).addColumn('id', 'integer').execute();
  },
});

async function tables(store: Store): Promise<string[]> {
  const { rows } = await sql<{
    name: string;
  }>`select tablename as name from pg_tables where schemaname = 'public' order by 1`.execute(store.db);
  return rows.map(({ name }) => name);
}

async function applied(store: Store): Promise<string[]> {
  const { rows } = await sql<{
    name: string;
  }>`select name from steward_migrations where name like 'tests/%' order by applied_at, name`.execute(store.db);
  return rows.map(({ name }) => name);
}

describe('migrations', () => {
  it('lets two nodes open one empty database at once, and applies each migration once', async () => {
    const databaseUrl = await database();
    const counted: Migration = {
      name: 'tests/counted',
      async up(db) {
        await sql`create table counted as select 1 as n`.execute(db);
        await sql`select pg_sleep(0.2)`.execute(db);
      },
    };

    const stores = await Promise.all([open(databaseUrl, [counted]), open(databaseUrl, [counted])]);

    expect(await Promise.all(stores.map(applied))).toEqual([['tests/counted'], ['tests/counted']]);
  });

  it('applies a migration that appears later, and leaves the earlier ones alone', async () => {
    const databaseUrl = await database();
    await (await open(databaseUrl, [creates('first')])).close();

    const store = await open(databaseUrl, [creates('second'), creates('first')]);

    expect(await tables(store)).toEqual(expect.arrayContaining(['first', 'second']));
  });

  it('leaves nothing of a migration that fails, and keeps those before it', async () => {
    const databaseUrl = await database();
    const broken: Migration = {
      name: 'tests/broken',
      async up(db) {
        await creates('half').up(db);
        await sql`select no_such_column`.execute(db);
      },
    };

    await expect(open(databaseUrl, [creates('whole'), broken])).rejects.toThrow('no_such_column');

    const store = await open(databaseUrl, [creates('whole')]);
    expect(await tables(store)).not.toContain('half');
    expect(await applied(store)).toEqual(['tests/whole']);
  });

  it('refuses the store of a newer Steward by name and changes nothing in it', async () => {
    const databaseUrl = await database();
    const newer = await open(databaseUrl, [creates('known'), creates('future')]);

    const refused = open(databaseUrl, [creates('known'), creates('unrelated')]);

    await expect(refused).rejects.toMatchObject({
      code: 'STORE_NEWER',
      message: expect.stringContaining('tests/future'),
    });
    expect(await tables(newer)).not.toContain('unrelated');
  });

  it('says so when two migrations share a name', async () => {
    await expect(open(await database(), [creates('same'), creates('same')])).rejects.toMatchObject({
      code: 'INTERNAL',
    });
  });
});
