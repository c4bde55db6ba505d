import type { Reference, Unit } from '../../core/database/expiry.ts';
import { StewardError } from '../../core/errors.ts';

/** What a column of instants is made of: an instant, the time on some wall, or a number since 1970. */
export type ColumnKind = 'instant' | 'wall' | 'number';

export interface Shape {
  readonly database: string;
  /** As the engine names it to people, and in its references. */
  readonly name: string;
  readonly column: string;
  /** Its type, in the engine's word. */
  readonly type: string;
  /** Undefined: it is no instant. */
  readonly kind: ColumnKind | undefined;
  /** Empty where the table has no primary key. */
  readonly key: readonly string[];
  readonly references: readonly Reference[];
}

/** Which rows have expired: those whose instant is not after `limit`, in milliseconds of UTC or of the wall. */
export interface Expired {
  readonly shape: Shape;
  readonly limit: number;
  /** Of numbers. */
  readonly unit: Unit | undefined;
}

export interface Counted {
  readonly expired: number;
  readonly others: number;
  /** Of the expired ones, in milliseconds as `limit` is. */
  readonly oldest: number | null;
}

export type Key = readonly unknown[];

/** One connection to a database with a table whose rows expire. */
export interface ExpirySession extends AsyncDisposable {
  /** The clock of the database. */
  clock(): Promise<number>;
  shape(table: string, column: string): Promise<Shape>;
  /** The least and the greatest number of a column that can be an instant; null where there is none. */
  range(shape: Shape): Promise<{ readonly least: number; readonly greatest: number } | null>;
  count(which: Expired): Promise<Counted>;
  /** Keys of expired rows, at most so many; holds nothing. */
  keys(which: Expired, most: number): Promise<readonly Key[]>;
  /** Removes those of them that are expired yet, in a transaction of its own. LOCKED where somebody has them, and then none went. */
  remove(which: Expired, keys: readonly Key[]): Promise<{ readonly removed: number; readonly latest: number | null }>;
}

/** A table waits for nobody longer: whoever comes behind would wait too. */
export const LOCK_MS = 2_000;

/** Milliseconds as SQL writes them, without a zone. */
export const written = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().replace('T', ' ').replace('Z', '');

/** As drivers give numbers: as text where they may be large. */
export const asNumber = (said: unknown): number | null => (said === null || said === undefined ? null : Number(said));

export function rangeOf(row: { readonly least?: unknown; readonly greatest?: unknown } | undefined) {
  const [least, greatest] = [asNumber(row?.least), asNumber(row?.greatest)];
  return least === null || greatest === null ? null : { least, greatest };
}

export function notFound(what: string, hint: string): StewardError {
  return new StewardError('NOT_FOUND', `There is no ${what}.`, { hint });
}

export function notPlain(table: string, hint: string): StewardError {
  return new StewardError('PRECONDITION_FAILED', `${table} is no plain table: nothing was removed.`, { hint });
}
