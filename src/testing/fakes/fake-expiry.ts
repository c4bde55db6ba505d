import type { ExpiringTable } from '../../core/database/expiry.ts';
import { type ErrorCode, StewardError } from '../../core/errors.ts';
import type { ExpiryPort } from '../../core/ports/expiry.ts';

export interface FakeExpiry extends ExpiryPort {
  /** With a row for each of these instants. */
  addTable(table: Partial<ExpiringTable> & Pick<ExpiringTable, 'source' | 'table'>, rows: readonly Date[]): void;
  rows(table: string): readonly Date[];
  /** From now on it ends so, at a look or where rows are to go. */
  fail(table: string, code: ErrorCode, at?: 'look' | 'clear'): void;
  /** So many of its expired rows are held by others. */
  hold(table: string, rows: number): void;
  /** It says that all went, and did nothing; or it takes a row that has not expired. */
  pretend(table: string, how: 'nothing' | 'too-much'): void;
  whatGoesWith(table: string, words: string): void;
}

/** Tables in memory, whose database has the clock that it is given. */
export function fakeExpiry({ now }: { readonly now: () => Date }): FakeExpiry {
  const tables: ExpiringTable[] = [];
  const held = new Map<string, Date[]>();
  const failing = new Map<string, ErrorCode>();
  const holding = new Map<string, number>();
  const pretending = new Map<string, 'nothing' | 'too-much'>();
  const effects = new Map<string, string[]>();
  const check = (table: string, at: 'look' | 'clear'): void => {
    const code = failing.get(`${at} ${table}`);
    if (code) throw new StewardError(code, `${table} is of no use`, { hint: 'Correct it.' });
  };
  const rows = (table: string): Date[] => held.get(table) ?? [];
  return {
    tables: () => tables,
    addTable(table, instants) {
      tables.push({ expires: 'expires', afterMs: 0, cascade: false, ...table });
      held.set(table.table, [...instants]);
    },
    rows,
    fail: (table, code, at = 'look') => void failing.set(`${at} ${table}`, code),
    hold: (table, many) => void holding.set(table, many),
    pretend: (table, how) => void pretending.set(table, how),
    whatGoesWith: (table, words) => void effects.set(table, [words]),

    async look({ table, afterMs, database = 'main' }, _doing, before) {
      check(table, 'look');
      const limit = before ?? new Date(now().getTime() - afterMs).toISOString();
      const expired = rows(table).filter((at) => at.toISOString() <= limit);
      return {
        database,
        table,
        before: limit,
        expired: expired.length,
        oldest: expired.toSorted((one, other) => one.getTime() - other.getTime())[0]?.toISOString() ?? null,
        others: rows(table).length - expired.length,
        goingWith: effects.get(table) ?? [],
      };
    },

    async clear({ table }, { before }, { progress }) {
      check(table, 'clear');
      const expired = rows(table).filter((at) => at.toISOString() <= before);
      const gone = expired.slice(holding.get(table) ?? 0);
      const how = pretending.get(table);
      if (how === 'too-much') gone.push(...rows(table).filter((at) => at.toISOString() > before));
      if (how !== 'nothing')
        held.set(
          table,
          rows(table).filter((at) => !gone.includes(at)),
        );
      progress?.({ bytes: gone.length, message: `${gone.length} rows` });
      const left = expired.length - (how === 'too-much' ? expired.length : gone.length);
      return {
        removed: gone.length,
        latest:
          gone
            .map((at) => at.toISOString())
            .toSorted()
            .at(-1) ?? null,
        limit: before,
        left,
        stopped: left > 0 ? 'others hold rows of it' : null,
      };
    },
  };
}
