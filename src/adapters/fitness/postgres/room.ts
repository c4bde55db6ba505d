import { StewardError } from '../../../core/errors.ts';
import type { PgAccess, PgSession } from '../../sources/postgres/access.ts';
import { freeOn } from '../../sources/postgres/room.ts';

/**
 * DISK_FULL where an index would not fit beside itself with what is logged of its build. Nothing is said of a server
 * elsewhere, and of an index in a tablespace of its own: its folder cannot be seen from here.
 */
export async function assertRoom(session: PgSession, access: PgAccess, oid: number, bytes: number): Promise<void> {
  const [where] = await session.rows<{ elsewhere: boolean }>(
    'select reltablespace <> 0 as elsewhere from pg_catalog.pg_class where oid = $1::int8::oid',
    [oid],
  );
  if (where?.elsewhere !== false) return;
  const free = await freeOn(session, access);
  if (free === undefined || free.bytes >= 2 * bytes) return;
  throw new StewardError(
    'DISK_FULL',
    `${free.folder} has ${free.bytes} bytes free, and building this index anew needs about ${2 * bytes} for a while.`,
    { hint: 'Free some space there. Nothing was changed.' },
  );
}
