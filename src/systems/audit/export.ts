import { sql, type Kysely } from 'kysely';
import { GENESIS } from './chain.ts';
import type { AuditTables } from './tables.ts';

const BATCH = 1_000;

export type ExportFormat = 'jsonl' | 'csv';

export interface Period {
  readonly since?: Date | undefined;
  readonly until?: Date | undefined;
}

interface Range {
  readonly chain: string;
  readonly first: number;
  readonly last: number;
}

interface Row {
  readonly chain: string;
  readonly seq: number;
  readonly at: Date;
  readonly prevHash: string;
  readonly hash: string;
  /** The entry letter by letter, as it was chained. */
  readonly text: string;
}

/**
 * What the period holds, chain by chain. A stretch without gaps, even where a clock was put back in between: that is what
 * makes an export one that can be verified.
 */
export async function rangesOf(db: Kysely<AuditTables>, { since, until }: Period): Promise<Range[]> {
  return await db
    .selectFrom('audit_log')
    .select(({ fn }) => ['chain', fn.min('seq').as('first'), fn.max('seq').as('last')])
    .$if(since !== undefined, (query) => query.where('at', '>=', since as Date))
    .$if(until !== undefined, (query) => query.where('at', '<', until as Date))
    .groupBy('chain')
    .orderBy('chain')
    .execute();
}

/** Line by line, batch by batch: an export of any length takes the same memory. */
export async function* exported(
  db: Kysely<AuditTables>,
  ranges: readonly Range[],
  format: ExportFormat,
): AsyncGenerator<string> {
  const line = format === 'csv' ? csvLine : jsonLine;
  if (format === 'csv') yield `${CSV_COLUMNS.map(([name]) => name).join(',')}\r\n`;
  for (const range of ranges) {
    for await (const rows of batches(db, range)) yield rows.map(line).join('');
  }
}

async function* batches(db: Kysely<AuditTables>, { chain, first, last }: Range): AsyncGenerator<Row[]> {
  for (let from = first; from <= last;) {
    const rows = await db
      .selectFrom('audit_log')
      .select(['chain', 'seq', 'at', 'prev_hash as prevHash', 'hash', sql<string>`entry::text`.as('text')])
      .where('chain', '=', chain)
      .where('seq', '>=', from)
      .where('seq', '<=', last)
      .orderBy('seq')
      .limit(BATCH)
      .execute();
    const end = rows.at(-1);
    if (!end) return;
    yield rows;
    from = end.seq + 1;
  }
}

function jsonLine({ chain, seq, at, prevHash, hash, text }: Row): string {
  const place = JSON.stringify({ chain, seq, at, prevHash, hash });
  return `${place.slice(0, -1)},"entry":${text}}\n`;
}

type Entry = {
  readonly [member: string]: unknown;
  readonly actor?: Readonly<Record<string, unknown>>;
  readonly subject?: Readonly<Record<string, unknown>>;
};

const CSV_COLUMNS: readonly (readonly [string, (row: Row, entry: Entry) => unknown])[] = [
  ['at', ({ at }) => at.toISOString()],
  ['node', (_row, { node }) => node],
  ['actor', (_row, { actor }) => actor?.['name']],
  ['actor id', (_row, { actor }) => actor?.['id']],
  ['role', (_row, { actor }) => actor?.['role']],
  ['on behalf of', (_row, { actor }) => actor?.['onBehalfOf']],
  ['action', (_row, { action }) => action],
  ['outcome', (_row, { outcome }) => outcome],
  ['subject kind', (_row, { subject }) => subject?.['kind']],
  ['subject id', (_row, { subject }) => subject?.['id']],
  ['from', (_row, { from }) => from],
  ['reason', (_row, { reason }) => reason],
  ['request', (_row, { requestId }) => requestId],
  ['causation', (_row, { causation }) => causation],
  ['before', (_row, { before }) => before],
  ['after', (_row, { after }) => after],
  ['detail', (_row, { detail }) => detail],
  ['chain', ({ chain }) => chain],
  ['seq', ({ seq }) => seq],
  ['previous hash', ({ prevHash }) => (prevHash === GENESIS ? '' : prevHash)],
  ['hash', ({ hash }) => hash],
];

function csvLine(row: Row): string {
  const entry = JSON.parse(row.text) as Entry;
  return `${CSV_COLUMNS.map(([, of]) => csvField(of(row, entry))).join(',')}\r\n`;
}

/** Quoted where it must be, and never a formula: what a spreadsheet would compute begins with an apostrophe. */
export function csvField(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (typeof value === 'number') return String(value);
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const harmless = /^[\s\p{Cf}]*[=+\-@\uFF1D\uFF0B\uFF0D\uFF20|%]|^[\t\r\n]/u.test(text) ? `'${text}` : text;
  return /[",\r\n';\t]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless;
}
