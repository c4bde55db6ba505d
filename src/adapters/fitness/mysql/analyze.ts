import { StewardError } from '../../../core/errors.ts';
import type { MySession } from '../../sources/mysql/access.ts';
import { numbersOf } from './session.ts';

const LONG_SECONDS = 1;

/**
 * Older servers throw a table out of their cache when it was analyzed: with a long query on it, everybody who comes after waits for
 * that query. MariaDB ended that within 10.5, MySQL with 8.0.24.
 */
export function flushesTables(version: string): boolean {
  const [major, minor, patch] = numbersOf(version);
  if (/mariadb/i.test(version)) return major < 10 || (major === 10 && minor < 6);
  return major < 8 || (major === 8 && minor === 0 && patch < 24);
}

/** LOCKED while a query runs that others would have to wait for. */
export async function assertNoLongQuery(session: MySession): Promise<void> {
  const [row] = await session.rows(
    "select max(TIME) as seconds from information_schema.PROCESSLIST where COMMAND in ('Query', 'Execute') and ID <> connection_id()",
  );
  const seconds = Number(row?.['seconds'] ?? 0);
  if (seconds >= LONG_SECONDS)
    throw new StewardError(
      'LOCKED',
      `A query runs for ${seconds} s already, and on a server of this version whoever reads a table that is analyzed meanwhile waits for it.`,
      { hint: 'It is tried again when the query has ended.' },
    );
}
