import type { SourceOf } from '../../../core/backup/source.ts';
import { matchesGlob } from '../../../core/glob.ts';
import { dotted } from '../names.ts';
import { identifier, type PgSession, type Row } from './access.ts';

export interface PgColumn {
  readonly name: string;
  readonly type: string;
  /** What it holds, by PostgreSQL's own letter: S text, N number, B boolean, D date, U others. */
  readonly category: string;
  readonly base: string;
  /** Hashed by its type's own function, which says the same of the same value wherever it is restored. */
  readonly hashable: boolean;
  readonly required: boolean;
  readonly generated: boolean;
  /** Part of a key: two rows must not have the same, or others point at it. */
  readonly key: boolean;
}

export interface PgTable {
  readonly schema: string;
  readonly name: string;
  /** r: a table that holds rows; p: one whose rows are in its partitions; f: its rows are elsewhere. */
  readonly kind: 'r' | 'p' | 'f';
  /** Its own name and those of what it is a partition of, as excludes call them. */
  readonly names: readonly string[];
  readonly readable: boolean;
  /** The server would show this user only some of its rows. */
  readonly filtered: boolean;
  readonly columns: readonly PgColumn[];
}

/** Those that hash the value alone: an enum hashes its number, which another server gives otherwise. */
const HASHABLE = [
  'bool',
  'bytea',
  'char',
  'int2',
  'int4',
  'int8',
  'text',
  'name',
  'varchar',
  'bpchar',
  'numeric',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'uuid',
  'jsonb',
];

const NOT_OURS = `n.nspname not in ('pg_catalog', 'information_schema') and n.nspname !~ '^pg_(toast|temp)'
  and not exists (select from pg_catalog.pg_depend d
    where d.classid = 'pg_catalog.pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')`;

const TABLES = `with recursive ancestors(oid, ancestor, depth) as (
    select c.oid, c.oid, 0 from pg_catalog.pg_class c where c.relkind in ('r', 'p', 'f')
    union all
    select a.oid, i.inhparent, a.depth + 1 from ancestors a join pg_catalog.pg_inherits i on i.inhrelid = a.ancestor
      join pg_catalog.pg_class p on p.oid = i.inhparent and p.relkind = 'p'
  )
  select n.nspname as schema, c.relname as name, c.relkind::text as kind,
    (select json_agg(json_build_array(an.nspname, ac.relname) order by a.depth) from ancestors a
      join pg_catalog.pg_class ac on ac.oid = a.ancestor join pg_catalog.pg_namespace an on an.oid = ac.relnamespace
      where a.oid = c.oid) as names,
    pg_catalog.has_table_privilege(c.oid, 'select') and pg_catalog.has_schema_privilege(n.oid, 'usage') as readable,
    pg_catalog.row_security_active(c.oid) as filtered,
    coalesce((select json_agg(json_build_object('name', a.attname, 'type', pg_catalog.format_type(a.atttypid, a.atttypmod),
      'category', t.typcategory, 'base', coalesce(b.typname, t.typname), 'required', a.attnotnull or t.typnotnull,
      'hashable', t.typtype = 'b' and tn.nspname = 'pg_catalog' and t.typname = any($1), 'generated', a.attgenerated <> '',
      'key', exists (select from pg_catalog.pg_index i where i.indrelid = c.oid and (i.indisunique or i.indisexclusion)
          and a.attnum = any(i.indkey::int2[]))
        or exists (select from pg_catalog.pg_constraint k where k.conrelid = c.oid and k.contype = 'f' and a.attnum = any(k.conkey)))
      order by a.attnum)
      from pg_catalog.pg_attribute a join pg_catalog.pg_type t on t.oid = a.atttypid
      join pg_catalog.pg_namespace tn on tn.oid = t.typnamespace left join pg_catalog.pg_type b on b.oid = nullif(t.typbasetype, 0)
      where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped), '[]') as columns
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'f') and ${NOT_OURS}
  order by n.nspname, c.relname`;

interface Found extends Row, Omit<PgTable, 'names'> {
  readonly names: readonly (readonly [string, string])[];
}

/** Every table that somebody made in a database; those of extensions come with their extension. */
export async function tablesOf(session: PgSession, database: string): Promise<PgTable[]> {
  const found = await session.rows<Found>(TABLES, [HASHABLE]);
  return found.map((table) => ({
    ...table,
    names: table.names.map(([schema, name]) => dotted(database, schema, name)),
  }));
}

export const nameOf = ({ names }: PgTable): string => names[0] ?? '';

export const sqlName = ({ schema, name }: Pick<PgTable, 'schema' | 'name'>): string =>
  `${identifier(schema)}.${identifier(name)}`;

/** Whether its rows stay where they are. */
export function leavesRows({ excludeTables }: SourceOf<'postgres'>, { names }: PgTable): boolean {
  return excludeTables.some((pattern) => names.some((name) => matchesGlob(pattern, name)));
}

/** Arguments of pg_dump: these tables, but none of their rows. */
export const withoutRowsOf = (tables: readonly PgTable[]): string[] =>
  tables.map((table) => `--exclude-table-data=${sqlName(table)}`);

/** The same where nothing of them is wanted: then they are not locked either. */
export const withoutTables = (tables: readonly PgTable[]): string[] =>
  tables.map((table) => `--exclude-table=${sqlName(table)}`);

/** Columns whose values stay where they are. A generated one is made of the others. */
export function leavesColumns({ excludeColumns }: SourceOf<'postgres'>, { names, columns }: PgTable): PgColumn[] {
  return columns.filter(
    (column) =>
      !column.generated &&
      excludeColumns.some((pattern) => names.some((name) => matchesGlob(pattern, `${name}.${dotted(column.name)}`))),
  );
}

const BY_BASE: Readonly<Record<string, string>> = {
  bytea: `'\\x'`,
  uuid: `'00000000-0000-0000-0000-000000000000'`,
  json: `'{}'`,
  jsonb: `'{}'`,
};
const BY_CATEGORY: Readonly<Record<string, string>> = { S: `''`, N: '0', B: 'false', D: `'epoch'`, A: `'{}'` };

/** What stands in its place: nothing, or where something must stand the emptiest value; undefined where there is none. */
export function replacementFor({ required, key, base, category }: PgColumn): string | undefined {
  if (!required) return 'null';
  return key ? undefined : (BY_BASE[base] ?? BY_CATEGORY[category]);
}
