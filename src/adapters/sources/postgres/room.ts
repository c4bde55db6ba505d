import { statfs } from 'node:fs/promises';
import type { PgAccess, PgSession } from './access.ts';

const HERE = new Set(['localhost', '127.0.0.1', '::1']);

export interface Free {
  readonly folder: string;
  readonly bytes: number;
}

/** What is free where a server keeps its data; undefined of a server elsewhere, and where its user may not ask for the folder. */
export async function freeOn(session: PgSession, { host }: PgAccess): Promise<Free | undefined> {
  if (!HERE.has(host) && !host.startsWith('/')) return undefined;
  const [where] = await session.rows<{ folder: string | null }>(
    `select (select setting from pg_catalog.pg_settings where name = 'data_directory') as folder`,
  );
  if (!where?.folder) return undefined;
  // In a container it is a folder of the same name elsewhere: then there is none here, or one that nobody may enter.
  const disk = await statfs(where.folder).catch(() => undefined);
  return disk && { folder: where.folder, bytes: disk.bavail * disk.bsize };
}
