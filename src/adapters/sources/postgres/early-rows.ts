import { setTimeout as sleep } from 'node:timers/promises';
import type { ContentItem } from '../../../core/backup/copy.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { dotted } from '../names.ts';
import { openSession, type PgSession } from './access.ts';
import { inOrderSink } from './archive.ts';
import { JOBS, type Reading } from './load.ts';
import { countDatabase, type Counting, dumpedRows, isInDump, recordedOf } from './rows.ts';
import { nameOf, tablesOf } from './tables.ts';

const LOOK_EVERY_MS = 100;

/** pg_restore fills a table in the transaction that empties it, which gives it another file than the one it was made with. */
const FILLED = `select n.nspname as schema, c.relname as name
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.oid >= 16384 and c.relkind = 'r' and c.relfilenode <> c.oid`;

/** Functions of the database itself that are called for each row that comes: they could write into another table. */
const CALLS = `select exists (select from pg_catalog.pg_depend
    where refclassid in ('pg_catalog.pg_proc'::pg_catalog.regclass, 'pg_catalog.pg_operator'::pg_catalog.regclass)
      and refobjid >= 16384
      and (classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass
        or classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and exists (select from pg_catalog.pg_attrdef d
          join pg_catalog.pg_attribute a on a.attrelid = d.adrelid and a.attnum = d.adnum
          where d.oid = objid and a.attgenerated <> ''))) as calls`;

type Items = ReadonlyMap<string, ContentItem>;

/** Rows are counted and hashed as they come. What could not be counted early is counted when all are there. */
export const readingFor = (counting: Counting): Reading<Items, readonly ContentItem[]> => ({
  early: (loaded, doing) => countEarly(counting, loaded, doing).catch(() => new Map()),
  all: (early, doing) => countDatabase(counting, doing, early),
});

/**
 * Counts the tables that are filled, once those that are not are fewer than pg_restore has hands: one of its two cores does nothing from
 * then on. What is not as it was recorded is left out, to be counted when everything is there. `loaded` ends the wait.
 */
async function countEarly(counting: Counting, loaded: AbortSignal, doing: Doing): Promise<Items> {
  const counted = new Map<string, ContentItem>();
  const { about, access, into } = counting;
  const recorded = await recordedOf(counting, doing);
  const wanted = [...recorded.values()].filter(isInDump).map(({ name }) => name);
  if (wanted.length < 2) return counted;
  await using session = await openSession(access, into, doing);
  const filled = await whenHandsAreFree(
    session,
    { database: about.name, wanted },
    AbortSignal.any([loaded, doing.signal]),
  );
  if (!filled) return counted;
  const [found] = await session.rows<{ calls: boolean }>(CALLS);
  if (found?.calls !== false) return counted;
  const all = await tablesOf(session, about.name);
  const some = all.filter((table) => filled.has(nameOf(table)));
  const items = await dumpedRows(counting, { all, some, sink: inOrderSink, locks: 'some' }, doing);
  for (const item of items.values()) {
    const was = recorded.get(item.name);
    if (was?.count === item.count && was.checksum === item.checksum) counted.set(item.name, item);
  }
  return counted;
}

/** The tables that are filled by then; undefined where all are, or the load ended. */
async function whenHandsAreFree(
  session: PgSession,
  { database, wanted }: { readonly database: string; readonly wanted: readonly string[] },
  ended: AbortSignal,
): Promise<ReadonlySet<string> | undefined> {
  for (;;) {
    if (ended.aborted) return undefined;
    const rows = await session.rows<{ schema: string; name: string }>(FILLED);
    const all = new Set(rows.map(({ schema, name }) => dotted(database, schema, name)));
    const filled = new Set(wanted.filter((name) => all.has(name)));
    const left = wanted.length - filled.size;
    if (left === 0) return undefined;
    if (left < JOBS) return filled;
    await sleep(LOOK_EVERY_MS, undefined, { signal: ended }).catch(() => undefined);
  }
}
