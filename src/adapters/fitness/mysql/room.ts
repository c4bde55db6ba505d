import { StewardError } from '../../../core/errors.ts';
import { freeOn } from '../../sources/mysql/room.ts';
import type { Server } from './session.ts';

/** A table is there twice until its rebuild is done: without the room for that none is begun. DISK_FULL, PRECONDITION_FAILED where it cannot be known. */
export async function assertRoom(
  { session, access, flavor, grantee }: Pick<Server, 'session' | 'access' | 'flavor' | 'grantee'>,
  bytes: number,
  machine?: string,
): Promise<void> {
  const { folder, bytes: free } = await freeOn(session, machine);
  if (free === undefined)
    throw new StewardError(
      'PRECONDITION_FAILED',
      `How much room the server at ${access.host}:${access.port} has left in ${folder} cannot be seen from here, and a rebuild needs ${bytes} bytes there for a while.`,
      {
        hint:
          flavor === 'mariadb'
            ? `Let it tell: INSTALL SONAME 'disks'; GRANT FILE ON *.* TO ${grantee}. Nothing was changed.`
            : 'Let a Steward on its machine do it, or rebuild it by hand. Nothing was changed.',
      },
    );
  if (free < bytes)
    throw new StewardError(
      'DISK_FULL',
      `${folder} has ${free} bytes free, and a rebuild needs ${bytes} there for a while.`,
      {
        hint: 'Free some space there. Nothing was changed.',
      },
    );
}
