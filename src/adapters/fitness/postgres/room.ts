import { statfs } from 'node:fs/promises';
import { StewardError } from '../../../core/errors.ts';
import type { PgAccess, PgSession } from '../../sources/postgres/access.ts';

const HERE = new Set(['localhost', '127.0.0.1', '::1']);

/**
 * DISK_FULL where an index would not fit beside itself with what is logged of its build. Nothing is said of a server
 * elsewhere, and of an index in a tablespace of its own: its folder cannot be seen from here.
 */
export async function assertRoom(session: PgSession, { host }: PgAccess, oid: number, bytes: number): Promise<void> {
  if (!HERE.has(host) && !host.startsWith('/')) return;
  const [where] = await session.rows<{ folder: string | null; elsewhere: boolean }>(
    `select (select setting from pg_catalog.pg_settings where name = 'data_directory') as folder,
      (select reltablespace <> 0 from pg_catalog.pg_class where oid = $1::int8::oid) as elsewhere`,
    [oid],
  );
  if (!where?.folder || where.elsewhere) return;
  // In a container it is a folder of the same name elsewhere: then there is none here, or one that nobody may enter.
  const disk = await statfs(where.folder).catch(() => undefined);
  const free = disk && disk.bavail * disk.bsize;
  if (free === undefined || free >= 2 * bytes) return;
  throw new StewardError(
    'DISK_FULL',
    `${where.folder} has ${free} bytes free, and building this index anew needs about ${2 * bytes} for a while.`,
    { hint: 'Free some space there. Nothing was changed.' },
  );
}
