import { sql } from 'kysely';
import { type Meter, reading } from '../../core/metric.ts';
import type { MetricDb } from './tables.ts';

/** The server looks at every file of the database for it. */
const EVERY_MS = 5 * 60_000;

/** What the store takes, asked anew every five minutes. */
export function createStoreMeter(db: MetricDb, now: () => Date): Meter {
  let bytes = 0;
  let askedAt = -Infinity;
  return {
    async read() {
      if (Math.abs(now().getTime() - askedAt) >= EVERY_MS) {
        const { rows } = await sql<{ bytes: number }>`
          select pg_database_size(current_database())::float8 as bytes`.execute(db);
        bytes = rows[0]?.bytes ?? 0;
        askedAt = now().getTime();
      }
      return [reading('steward_store_bytes', bytes)];
    },
  };
}
