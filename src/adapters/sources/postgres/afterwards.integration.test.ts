import { chmod, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SealedCopy, SourceReader } from '../../../core/backup/reader.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { defined } from '../../../testing/defined.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { postgresSourceOf } from '../../../testing/backup/postgres-source.ts';
import { nobody, startPostgres, type TestPostgres } from '../../../testing/world/postgres.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { openSession } from './access.ts';
import { createPostgresSource } from './index.ts';

const doing = { signal: new AbortController().signal };
const started: string[] = [];
/** Rows that take several looks to fill. */
const LARGE = 600_000;
let server: TestPostgres;
let folder: TempFolder;
let reader: SourceReader<'postgres'>;
const at = (...names: string[]): string => join(folder.path, ...names);

beforeAll(async () => {
  [server, folder] = await Promise.all([startPostgres(), tempFolder('stw-after')]);
  await chmod(folder.path, 0o755);
  reader = createPostgresSource({
    programs: telling(createPrograms({ environment: { PATH: process.env['PATH'] } })),
    secrets: async () => server.password,
    now: () => new Date(),
    scratch: at('scratch'),
    cache: at('cache'),
    account: async () => nobody,
  });
  await server.say(
    'postgres',
    'create database plain',
    'create database knotted',
    'create database uneven',
    'create database writing',
  );
  const tables = [
    'create table orders (id int primary key, customer int not null, note text)',
    `insert into orders select i, i % 10, md5(i::text) from generate_series(1, 2000) i`,
    'create index orders_customer on orders (customer)',
    `comment on index orders_customer is 'for the bills'`,
    'create table lines (id int primary key, of int references orders)',
    'insert into lines select i, i from generate_series(1, 2000) i',
    'create table parted (id int, primary key (id)) partition by range (id)',
    'create table parted_1 partition of parted for values from (0) to (10)',
    'insert into parted values (1)',
  ];
  await server.say('plain', ...tables);
  await server.say(
    'knotted',
    ...tables,
    // Both lean on the key, so that they come after it, and an index on each of them.
    'create materialized view notes as select id, note from orders group by id',
    'create index on notes (note)',
    `create function one(int) returns text immutable begin atomic select note from orders where id = $1 group by id; end`,
    'create index on lines (one(of))',
  );
  const uneven = [
    'create table small (id int)',
    'insert into small select generate_series(1, 1000)',
    'create table zlarge (id int, note text)',
    `insert into zlarge select i, repeat(md5(i::text), 4) from generate_series(1, ${LARGE}) i`,
  ];
  await server.say('uneven', ...uneven);
  await server.say(
    'writing',
    ...uneven,
    `create function tell(int) returns boolean language plpgsql as
      'begin if $1 = ${LARGE} then insert into public.small values ($1); end if; return true; end'`,
    'alter table zlarge add check (tell(id))',
  );
}, 120_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder?.remove();
});

/** The same programs, each named when it starts. */
function telling(programs: ReturnType<typeof createPrograms>): ProgramsPort {
  const tell = ({ program, args }: { readonly program: string; readonly args: readonly string[] }): void => {
    const list = args.find((arg) => arg.startsWith('--use-list='));
    const names = [program, ...args].map((each) => basename(each));
    const name = names.find((each) => /^(initdb|postgres|psql|pg_\w+)$/.test(each));
    started.push([name ?? program, ...(list === undefined ? [] : [basename(list)])].join(' '));
  };
  return {
    run(request) {
      tell(request);
      return programs.run(request);
    },
    stream(request, take) {
      tell(request);
      return programs.stream(request, take);
    },
  };
}

const sourceOf = (database: string) => postgresSourceOf(server, { name: database, databases: [database] });
const copyOf = (database: string): Promise<SealedCopy> =>
  makeCopy(reader, sourceOf(database), plainStore(at('store')), doing);

/** Proves a copy; gives what was started for it, and the indexes that are there. */
async function prove(copy: SealedCopy): Promise<{ readonly programs: string[]; readonly indexes: string[] }> {
  const database = copy.manifest.source.name;
  started.length = 0;
  const place = { scratch: at('scratch'), owner: 'drill', prove: true };
  const sandbox = await reader.sandbox(sourceOf(database), copy, place, doing);
  try {
    expect(sandbox.restore).toMatchObject({ ok: true });
    const programs = [...started];
    expect(await sandbox.content(doing)).toMatchObject({ ok: true });
    expect(started).toEqual(programs);
    const { environment } = sandbox;
    const access = {
      host: defined(environment['STEWARD_SANDBOX_HOST']),
      port: Number(environment['STEWARD_SANDBOX_PORT']),
      user: defined(environment['STEWARD_SANDBOX_USER']),
      password: undefined,
      tls: 'disable' as const,
      ca: undefined,
    };
    await using session = await openSession(access, database, doing);
    return { programs, indexes: (await session.rows<{ name: string }>(INDEXES)).map(({ name }) => name) };
  } finally {
    await sandbox.end();
  }
}
const INDEXES = `select c.relname || coalesce(' ' || obj_description(c.oid, 'pg_class'), '') as name
  from pg_class c where c.relnamespace = 'public'::regnamespace and c.relkind in ('i', 'I') order by 1`;
const KEYS = ['lines_pkey', 'orders_customer for the bills', 'orders_pkey', 'parted_1_pkey', 'parted_pkey'];

describe('a proven restore of PostgreSQL', () => {
  it('counts rows while indexes are built, and builds the rest afterwards', async () => {
    const { programs, indexes } = await prove(await copyOf('plain'));
    expect(indexes).toEqual(KEYS);
    const steps = programs.filter((name) => /^pg_(restore|dump)\b/.test(name));
    // On a slow machine some tables are counted early, by a pg_dump of their own.
    expect([...new Set(steps)].toSorted()).toEqual([
      'pg_dump',
      'pg_restore',
      'pg_restore indexes.list',
      'pg_restore rest.list',
    ]);
    expect(steps.at(-1)).toBe('pg_restore rest.list');
  }, 120_000);

  it('counts what is filled while the last table is', async () => {
    const { programs } = await prove(await copyOf('uneven'));
    expect(programs.filter((name) => name === 'pg_dump')).toHaveLength(2);
  }, 120_000);

  it('counts nothing before all is there where what is filled last writes into what was filled first', async () => {
    const copy = await copyOf('writing');
    const place = { scratch: at('scratch'), owner: 'drill', prove: true };
    const sandbox = await reader.sandbox(sourceOf('writing'), copy, place, doing);
    try {
      expect(sandbox.restore).toMatchObject({ ok: true });
      const content = await sandbox.content(doing);
      expect(content.ok).toBe(false);
      expect(content.statement).toContain('small');
    } finally {
      await sandbox.end();
    }
  }, 120_000);

  it('builds no index before what it is made of', async () => {
    const { programs, indexes } = await prove(await copyOf('knotted'));
    expect(indexes).toEqual(['lines_one_idx', ...KEYS.slice(0, 1), 'notes_note_idx', ...KEYS.slice(1)]);
    expect(programs).not.toContain('pg_restore indexes.list');
  }, 120_000);

  it('makes an empty cluster once, and another where the one that was kept is of no use', async () => {
    await rm(at('cache'), { recursive: true });
    const copy = await copyOf('plain');
    expect((await prove(copy)).programs).toContain('initdb');
    await mkdir(at('cache/postgres/15.0-0-another-boot'));
    expect((await prove(copy)).programs).not.toContain('initdb');

    const kept = defined((await readdir(at('cache/postgres'))).find((name) => !name.includes('another-boot')));
    await writeFile(at('cache/postgres', kept, 'global/pg_control'), 'broken');
    expect((await prove(copy)).programs).toContain('initdb');
    expect(await readdir(at('cache/postgres'))).toEqual([kept]);
    expect((await prove(copy)).programs).not.toContain('initdb');
  }, 120_000);
});
