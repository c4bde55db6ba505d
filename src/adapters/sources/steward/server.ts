import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContentItem } from '../../../core/backup/copy.ts';
import type { Doing } from '../../../core/backup/store.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { openSession, type PgAccess } from '../postgres/access.ts';
import { countTable } from '../postgres/counting.ts';
import { tablesOf } from '../postgres/tables.ts';
import { startServer, type ThrowAway } from '../postgres/throw-away.ts';
import type { ScratchFolder } from '../scratch.ts';
import type { Account } from '../throw-away.ts';
import { STORE } from './parts.ts';

interface Start {
  readonly folder: ScratchFolder;
  readonly program: string;
  readonly role: string;
  readonly programs: ProgramsPort;
  readonly account: Account | undefined;
  /** Whether what it writes has to survive: a folder that a Steward is to start on afterwards. */
  readonly durable?: boolean;
}

/** A server on a restored data folder in its place below this one. Who may enter the folder may enter the server. */
export async function startOn(
  { folder, program, role, programs, account, durable = false }: Start,
  doing: Doing,
): Promise<ThrowAway> {
  const entry = join(folder.path, 'hba.conf');
  await writeFile(entry, 'local all all trust\n', { mode: 0o644 });
  return await startServer(
    {
      folder,
      data: join(folder.path, STORE),
      program,
      programs,
      account,
      user: role,
      settings: {
        hba_file: entry,
        // By this name the server of this home knows its own.
        cluster_name: 'steward-throw-away',
        min_wal_size: '32MB',
        wal_recycle: 'off',
        ...(durable && { fsync: 'on', full_page_writes: 'on', synchronous_commit: 'on' }),
      },
    },
    doing,
  );
}

/** Rows of every table of every database, and the sum of their hashes. */
export async function countStore(access: PgAccess, doing: Doing): Promise<ContentItem[]> {
  const databases = await databasesOf(access, doing);
  const items: ContentItem[] = [];
  for (const database of databases) {
    await using session = await openSession(access, database, doing);
    await session.rows('begin isolation level repeatable read read only');
    for (const table of await tablesOf(session, database))
      if (table.kind === 'r') items.push(await countTable(session, { table, without: [] }, 'record'));
  }
  return items;
}

async function databasesOf(access: PgAccess, doing: Doing): Promise<string[]> {
  await using session = await openSession(access, 'postgres', doing);
  const found = await session.rows<{ name: string }>(
    'select datname as name from pg_catalog.pg_database where not datistemplate and datallowconn order by datname',
  );
  return found.map(({ name }) => name);
}
