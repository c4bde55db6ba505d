import { statfs } from 'node:fs/promises';
import { hostname } from 'node:os';
import { StewardError } from '../../../core/errors.ts';
import type { MySession } from './access.ts';

export interface Free {
  readonly folder: string;
  /** Undefined where it cannot be seen. */
  readonly bytes: number | undefined;
}

/** What is free where a server keeps its data: on this machine, or as the plug-in DISKS of MariaDB tells. */
export async function freeOn(session: MySession, machine: string = hostname()): Promise<Free> {
  const [about] = await session.rows('select @@datadir as folder, @@hostname as host');
  const folder = String(about?.['folder'] ?? '');
  return {
    folder,
    bytes:
      (String(about?.['host']) === machine ? await freeHere(folder) : undefined) ?? (await freeThere(session, folder)),
  };
}

/** Of this machine, if that is where the server is: one in a container has a folder of the same name elsewhere. */
async function freeHere(folder: string): Promise<number | undefined> {
  const disk = await statfs(folder).catch(() => undefined);
  return disk && disk.bavail * disk.bsize;
}

/** The mount that the folder is below. */
async function freeThere(session: MySession, folder: string): Promise<number | undefined> {
  const there = await session.rows(
    "select 1 from information_schema.PLUGINS where PLUGIN_NAME = 'DISKS' and PLUGIN_STATUS = 'ACTIVE'",
  );
  if (there.length === 0) return undefined;
  const disks = await session
    .rows<{ path: string; free: string }>('select Path as path, Available as free from information_schema.DISKS')
    .catch((thrown: unknown) => {
      if (StewardError.from(thrown).code === 'FORBIDDEN') return [];
      throw thrown;
    });
  const [mount] = disks
    .filter(({ path }) => folder === path || folder.startsWith(path.endsWith('/') ? path : `${path}/`))
    .toSorted((one, other) => other.path.length - one.path.length);
  return mount && Number(mount.free) * 1024;
}
