import type { SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { identifier, type PgAccess } from './access.ts';
import { openServer } from './look.ts';
import { remarkIn, SCRATCH_PREFIX } from './ours.ts';

/** Removes throw-away databases: by their prefix and by what Steward wrote on them, and no other. */
export async function dropScratch(
  access: PgAccess,
  source: SourceOf<'postgres'>,
  names: readonly string[],
  doing: Doing,
): Promise<void> {
  await using session = await openServer(access, source, doing);
  const found = await session.rows<{ name: string; comment: string | null; empty: boolean }>(
    `select datname as name, pg_catalog.shobj_description(oid, 'pg_database') as comment from pg_catalog.pg_database where datname = any($1)`,
    [names],
  );
  for (const { name, comment } of found) {
    // One without a word on it was made the moment before its maker died.
    if (!name.startsWith(SCRATCH_PREFIX) || (comment !== null && remarkIn(comment)?.is !== 'restoring')) continue;
    await session.rows(
      'select pg_catalog.pg_terminate_backend(pid) from pg_catalog.pg_stat_activity where datname = $1',
      [name],
    );
    await session.rows(`drop database if exists ${identifier(name)}`);
  }
}
