import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentItem } from '../../core/backup/copy.ts';
import type { SourceReader } from '../../core/backup/reader.ts';
import type { SourceOf } from '../../core/backup/source.ts';
import type { CopyStore } from '../../core/backup/store.ts';
import { nobody, startPostgres, type TestPostgres } from '../world/postgres.ts';
import { type TempFolder, tempFolder } from '../world/temp-folder.ts';
import { plainStore } from './plain-store.ts';
import { postgresSourceOf } from './postgres-source.ts';

type Reader = SourceReader<'postgres'>;

interface ReaderDeps {
  readonly secrets: () => Promise<string>;
  readonly now: () => Date;
  readonly scratch: string;
  readonly account: () => Promise<typeof nobody>;
}

/** A server with the database `shop`, which has something of everything, and what copies it to a folder. */
export interface PostgresShop {
  readonly server: TestPostgres;
  readonly folder: TempFolder;
  readonly scratch: string;
  readonly store: CopyStore;
  readonly reader: Reader;
  /** What the reader was made of, for another one like it. */
  readonly deps: ReaderDeps;
  source(more?: object): SourceOf<'postgres'>;
  contentsNow(of: SourceOf<'postgres'>): Promise<ContentItem[]>;
  close(): Promise<void>;
}

export async function openShop(readerOf: (deps: ReaderDeps) => Reader): Promise<PostgresShop> {
  const [server, folder] = await Promise.all([startPostgres(), tempFolder('stw-sql')]);
  await chmod(folder.path, 0o755);
  const scratch = join(folder.path, 'scratch');
  const deps: ReaderDeps = {
    secrets: async () => server.password,
    now: () => new Date(),
    scratch,
    account: async () => nobody,
  };
  const reader = readerOf(deps);
  await server.say('postgres', 'create role shopkeeper', 'create database shop owner shopkeeper');
  await server.say(
    'shop',
    `create schema "Odd ""schema"`,
    `create table accounts (id int primary key, balance bigint not null, touched int not null default 0)`,
    `insert into accounts select i, 1000, 0 from generate_series(1, 200) i`,
    `create type mood as enum ('good', 'bad')`,
    `create table "Odd ""schema"."odd
table" (id serial, feeling mood, tags text[], body jsonb, price numeric(10, 2), at timestamptz default now(), raw bytea, f float8)`,
    `insert into "Odd ""schema"."odd
table" (feeling, tags, body, price, raw, f) select (array['good', 'bad'])[i % 2 + 1]::mood, array['a', i::text], jsonb_build_object('i', i), i / 3.0, decode(md5(i::text), 'hex'), sqrt(i)
      from generate_series(1, 500) i`,
    `create table measures (at date not null, value int) partition by range (at)`,
    `create table measures_old partition of measures for values from ('2020-01-01') to ('2025-01-01')`,
    `create table measures_new partition of measures default`,
    `insert into measures select date '2024-06-01' + i, i from generate_series(1, 400) i`,
    `create materialized view totals as select count(*) as n from accounts`,
    `create unlogged table drafts (id int)`,
    `insert into drafts values (1), (2)`,
    `create table customers (id int primary key, name text, secret text not null, token uuid)`,
    `insert into customers select i, 'name ' || i, 'secret-of-' || i, gen_random_uuid() from generate_series(1, 50) i`,
    `create table orders (id int primary key, customer int not null references customers)`,
    `insert into orders select i, i from generate_series(1, 50) i`,
    `create table noise (line text)`,
    `insert into noise select 'line ' || i from generate_series(1, 1000) i`,
    `create view rich as select * from accounts where balance > 1000`,
    `select lo_from_bytea(0, 'a large object')`,
    `alter table accounts owner to shopkeeper`,
  );
  return {
    server,
    folder,
    scratch,
    store: plainStore(join(folder.path, 'store')),
    reader,
    deps,
    source: (more = {}) => postgresSourceOf(server, more),
    async contentsNow(of) {
      const items: ContentItem[] = [];
      for await (const item of reader.contents(of, { signal: new AbortController().signal })) items.push(item);
      return items;
    },
    async close() {
      await server[Symbol.asyncDispose]();
      await folder.remove();
    },
  };
}
