import type { DatabaseSession } from '../../core/ports/databases.ts';

/** What is asked of a database while one is connected to it. */
export interface DatabaseClient {
  sessions(): Promise<DatabaseSession[]>;
  connections(): Promise<{ readonly limit: number; readonly used: number }>;
  end(identity: string): Promise<boolean>;
  close(): Promise<void>;
}

/** Nothing of this may take long: a database in trouble must not hold its own remedy up. */
export const ANSWERS_WITHIN_MS = 10_000;
