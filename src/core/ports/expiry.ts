import type { Doing } from '../backup/store.ts';
import type { ExpiringTable } from '../database/expiry.ts';

/** How many rows of a table had expired, by the clock of its database. Instants are ISO 8601. */
export interface ExpiryLook {
  readonly database: string;
  /** As the database names it. */
  readonly table: string;
  /** What expired before this instant goes. */
  readonly before: string;
  readonly expired: number;
  /** When the first of them expired; one without a zone in its own words. */
  readonly oldest: string | null;
  /** All other rows. */
  readonly others: number;
  /** What goes with them, or changes, in other tables. */
  readonly goingWith: readonly string[];
}

export interface ExpiryCleared {
  /** As the database counted them. */
  readonly removed: number;
  /** The latest instant of those that went, and the limit, both in the column's own terms: texts that compare. */
  readonly latest: string | null;
  readonly limit: string;
  /** Expired ones that are there yet; null where nobody could count. */
  readonly left: number | null;
  /** Why it ended before its end. */
  readonly stopped: string | null;
}

/** Tables of other people's databases whose rows expire. Only those that the configuration names are ever touched. */
export interface ExpiryPort {
  tables(): readonly ExpiringTable[];
  /** `before`: as an earlier look had it; otherwise the instant that the clock of the database has now. */
  look(table: ExpiringTable, doing: Doing, before?: string): Promise<ExpiryLook>;
  /** Removes what expired before then, in batches of which each is whole; harmless twice. `within` ends it after a batch. */
  clear(
    table: ExpiringTable,
    order: { readonly before: string; readonly withinMs: number },
    doing: Doing,
  ): Promise<ExpiryCleared>;
}
