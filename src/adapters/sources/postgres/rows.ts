import type { ContentItem } from '../../../core/backup/copy.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { partOf, readContents } from '../contents.ts';
import { AS_LONG_AS_IT_TAKES_MS, letGo } from '../flow.ts';
import { dotted } from '../names.ts';
import { connectionString, environmentOf, openSession, type PgAccess, type PgSession } from './access.ts';
import { anyOrderSink, type ArchivedTable, inOrderSink, readArchive, type RowSink } from './archive.ts';
import { countLargeObjects, countTable, LARGE_OBJECTS, type RowHash } from './counting.ts';
import { programError } from './errors.ts';
import type { Loading } from './load.ts';
import { nameOf, type PgTable, tablesOf, withoutRowsOf, withoutTables } from './tables.ts';
import { pgDump } from './tools.ts';

/** Rows of a dump are the same text wherever they are dumped: what pg_dump itself does not set is set by `dumpEnvironment`. */
export const dumpEnvironment = (access: PgAccess, database: string): Record<string, string> => ({
  ...environmentOf(access, database),
  PGTZ: 'UTC',
});

/** A text that hangs on settings of the server, or rows that a restore may lay down in another order. */
const NOT_AS_TEXT = `select exists (select from pg_catalog.pg_settings
      where name = 'bytea_output' and reset_val <> 'hex' or name = 'quote_all_identifiers' and reset_val <> 'off')
    or exists (select from pg_catalog.pg_attribute where attrelid >= 16384 and atttypid in (790, 791))
    or exists (select from pg_catalog.pg_type where oid >= 16384 and typbasetype in (790, 791))
    or exists (select from pg_catalog.pg_range where rngsubtype = 790)
    or exists (select from pg_catalog.pg_class c join pg_catalog.pg_am a on a.oid = c.relam
      where c.oid >= 16384 and c.relkind = 'r' and a.amname <> 'heap') as other`;

/** Whether rows can be hashed as they stand in the dump, so that the server need not read its tables a second time. */
export async function hashesInDump(session: PgSession): Promise<boolean> {
  const [found] = await session.rows<{ other: boolean }>(NOT_AS_TEXT);
  return found?.other === false;
}

const key = (schema: string, name: string): string => JSON.stringify([schema, name]);

/** Reads the rows of these tables as a dump flows by. */
export function rowsOf(
  tables: readonly PgTable[],
  sink: () => RowSink = inOrderSink,
): { push(chunk: Uint8Array): void; items(): Map<PgTable, ContentItem> } {
  const wanted = new Map(tables.map((table) => [key(table.schema, table.name), table]));
  const reader = readArchive(sink, (schema, name) => wanted.has(key(schema, name)));
  const item = ({ schema, name, rows, checksum }: ArchivedTable): [PgTable, ContentItem][] => {
    const table = wanted.get(key(schema, name));
    return table ? [[table, { name: nameOf(table), count: rows, checksum }]] : [];
  };
  return { push: reader.push, items: () => new Map(reader.tables()?.flatMap(item)) };
}

export type Counting = Pick<Loading, 'copy' | 'about' | 'access' | 'into' | 'tools' | 'programs'> & {
  readonly hash: RowHash;
};

/** Whether its rows were hashed as they stood in the dump. */
export const isInDump = ({ checksum }: ContentItem): boolean => checksum?.startsWith('sha256:') ?? false;

/**
 * What is in a restored database, each table counted as it was when its copy was made; in the order of its tables. `counted`: what need not
 * be counted again, by its name.
 */
export async function countDatabase(
  counting: Counting,
  doing: Doing,
  counted: ReadonlyMap<string, ContentItem> = new Map(),
): Promise<ContentItem[]> {
  const { about, hash, access, into } = counting;
  await using session = await openSession(access, into, doing);
  const all = await tablesOf(session, about.name);
  const tables = all.filter((table) => table.kind === 'r' && !about.withoutRows.includes(nameOf(table)));
  const recorded = await recordedOf(counting, doing);
  const inDump = tables.filter((table) => {
    const was = recorded.get(nameOf(table));
    return was !== undefined && isInDump(was) && !counted.has(was.name);
  });
  const dumped = inDump.length > 0 ? await dumpAgain(counting, { all, inDump, recorded }, doing) : undefined;
  const items: ContentItem[] = [];
  for (const table of tables) {
    const name = nameOf(table);
    const without = about.withoutColumns.find((one) => one.table === name)?.columns ?? [];
    items.push(counted.get(name) ?? dumped?.get(table) ?? (await countTable(session, { table, without }, hash)));
    doing.progress?.({ bytes: 0, message: `${name} was counted` });
  }
  return [...items, ...(await countLargeObjects(session, dotted(about.name, LARGE_OBJECTS), hash))];
}

export async function recordedOf({ copy, about }: Counting, doing: Doing): Promise<Map<string, ContentItem>> {
  const prefix = `${dotted(about.name)}.`;
  const items = new Map<string, ContentItem>();
  for await (const item of readContents(copy, doing)) if (item.name.startsWith(prefix)) items.set(item.name, item);
  return items;
}

interface Recounted {
  readonly all: readonly PgTable[];
  readonly inDump: readonly PgTable[];
  readonly recorded: ReadonlyMap<string, ContentItem>;
}

async function dumpAgain(
  counting: Counting,
  { all, inDump, recorded }: Recounted,
  doing: Doing,
): Promise<Map<PgTable, ContentItem>> {
  const { copy, about, tools } = counting;
  const items = await dumpedRows(counting, { all, some: inDump, sink: inOrderSink }, doing);
  if (inDump.some((table) => !items.has(table)))
    throw new StewardError(
      'PRECONDITION_FAILED',
      `What pg_dump ${tools.version} writes is not understood, so the rows of ${dotted(about.name)} cannot be compared.`,
      { hint: `Install the programs that the copy was made with: ${copy.manifest.tools['pg_dump'] ?? about.name}.` },
    );
  const differ = inDump.filter((table) => {
    const [was, is] = [recorded.get(nameOf(table)), items.get(table)];
    return was?.count === is?.count && was?.checksum !== is?.checksum;
  });
  if (differ.length === 0) return items;
  // Perhaps the same rows in another order, which is no difference: the dump in the copy says so.
  const here = await dumpedRows(counting, { all, some: differ, sink: anyOrderSink }, doing);
  const there = rowsOf(differ, anyOrderSink);
  const part = partOf(copy, ({ name }) => name === about.dump, `the dump of ${dotted(about.name)}`);
  for await (const chunk of copy.store.read(copy.location, part, doing)) there.push(chunk);
  const before = there.items();
  for (const table of differ) {
    const was = recorded.get(nameOf(table));
    const same = before.get(table)?.checksum;
    if (was && same !== undefined && same === here.get(table)?.checksum) items.set(table, was);
  }
  return items;
}

/** The rows of a database as its next dump would have them. It waits for whoever writes, unless it is to lock only `some`. */
export async function dumpedRows(
  { access, into, about, tools, programs }: Counting,
  {
    all,
    some,
    sink,
    locks = 'all',
  }: {
    readonly all: readonly PgTable[];
    readonly some: readonly PgTable[];
    readonly sink: () => RowSink;
    readonly locks?: 'all' | 'some' | undefined;
  },
  doing: Doing,
): Promise<Map<PgTable, ContentItem>> {
  const rows = rowsOf(some, sink);
  const others = all.filter((table) => table.kind === 'r' && !some.includes(table));
  const result = await programs.stream(
    {
      ...(await pgDump(tools, [
        '-Fc',
        '-Z0',
        '--data-only',
        '--no-blobs',
        '--lock-wait-timeout=30000',
        ...(locks === 'all' ? withoutRowsOf(others) : withoutTables(others)),
        '-d',
        connectionString(into),
      ])),
      env: dumpEnvironment(access, into),
      timeoutMs: AS_LONG_AS_IT_TAKES_MS,
      signal: doing.signal,
    },
    async (output) => {
      for await (const chunk of output) {
        rows.push(chunk);
        letGo(chunk);
      }
    },
  );
  if (result.exitCode !== 0) throw programError('pg_dump', result, `what was restored of ${dotted(about.name)}`);
  return rows.items();
}
