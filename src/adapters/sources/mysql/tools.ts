import { access, constants } from 'node:fs/promises';
import { join } from 'node:path';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';

export type Flavor = 'mariadb' | 'mysql';

export interface MyTools {
  readonly version: string;
  readonly dump: string;
  readonly client: string;
  /** What a server of one's own is made and run with. Only MariaDB's is known. */
  readonly server: { readonly install: string; readonly run: string } | undefined;
}

const FOLDERS = ['/usr/local/bin', '/usr/bin', '/usr/local/sbin', '/usr/sbin', '/usr/local/mysql/bin'];
const NAMES = { dump: ['mariadb-dump', 'mysqldump'], client: ['mariadb', 'mysql'] } as const;

/** The programs of this machine for a server of this flavor: each dumps its own and trips over the other's. */
export async function findTools(
  programs: ProgramsPort,
  flavor: Flavor,
  {
    folders = async () => FOLDERS,
    signal,
  }: { readonly folders?: (() => Promise<readonly string[]>) | undefined } & Pick<Doing, 'signal'>,
): Promise<MyTools> {
  const within = await folders();
  const first = async (names: readonly string[]): Promise<string | undefined> => {
    for (const name of names)
      for (const folder of within) if (await runs(join(folder, name))) return join(folder, name);
    return undefined;
  };
  const [dump, client, install, run] = await Promise.all([
    first(flavor === 'mariadb' ? NAMES.dump : ['mysqldump']),
    first(flavor === 'mariadb' ? NAMES.client : ['mysql']),
    first(['mariadb-install-db']),
    first(['mariadbd']),
  ]);
  const missing = dump === undefined || client === undefined;
  const said = missing
    ? ''
    : (await programs.run({ program: dump, args: ['--version'], timeoutMs: 10_000, signal })).stdout;
  if (missing || /mariadb/i.test(said) !== (flavor === 'mariadb')) {
    const names = flavor === 'mariadb' ? 'mariadb-dump and mariadb' : 'mysqldump and mysql of MySQL';
    throw new StewardError('PRECONDITION_FAILED', `${names} are not installed on this machine.`, {
      hint: `Install them: apt-get install ${flavor === 'mariadb' ? 'mariadb-client' : 'mysql-client'}`,
    });
  }
  const own = flavor === 'mariadb' && install !== undefined && run !== undefined ? { install, run } : undefined;
  return {
    version: /Distrib ([^,\s]+)|Ver (\S+)/.exec(said)?.slice(1).find(Boolean) ?? 'unknown',
    dump,
    client,
    server: own,
  };
}

async function runs(path: string): Promise<boolean> {
  return await access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}
