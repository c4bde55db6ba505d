import { stat, statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { StewardError } from '../../../core/errors.ts';
import { type Server, whereAllowed } from './session.ts';

/** A table is there twice until its rebuild is done: without the room for that none is begun. DISK_FULL, PRECONDITION_FAILED where it cannot be known. */
export async function assertRoom(server: Server, bytes: number): Promise<void> {
  const folder = server.variables.get('datadir') ?? '';
  const free = (await freeHere(server, folder)) ?? (await freeThere(server, folder));
  if (free === undefined)
    throw new StewardError(
      'PRECONDITION_FAILED',
      `How much room the server at ${server.access.host}:${server.access.port} has left in ${folder} cannot be seen from here, and a rebuild needs ${bytes} bytes there for a while.`,
      {
        hint:
          server.flavor === 'mariadb'
            ? `Let it tell: INSTALL SONAME 'disks'; GRANT FILE ON *.* TO ${server.grantee}. Nothing was changed.`
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

/** Of this machine, if that is where the server is: one in a container has a folder of the same name elsewhere. */
async function freeHere({ variables }: Server, folder: string): Promise<number | undefined> {
  if (variables.get('hostname') !== hostname() || !(await stat(folder).catch(() => undefined))) return undefined;
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}

/** As the plug-in DISKS of MariaDB tells: the mount that the folder is below. */
async function freeThere({ flavor, session }: Server, folder: string): Promise<number | undefined> {
  if (flavor !== 'mariadb') return undefined;
  const there = await session.rows(
    "select 1 from information_schema.PLUGINS where PLUGIN_NAME = 'DISKS' and PLUGIN_STATUS = 'ACTIVE'",
  );
  if (there.length === 0) return undefined;
  const disks = await whereAllowed<{ path: string; free: string }>(
    session,
    'select Path as path, Available as free from information_schema.DISKS',
  );
  const mount = disks
    ?.filter(({ path }) => folder === path || folder.startsWith(path.endsWith('/') ? path : `${path}/`))
    .toSorted((one, other) => other.path.length - one.path.length)[0];
  return mount && Number(mount.free) * 1024;
}
