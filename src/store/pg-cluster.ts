import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  statfs,
  unlink,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { StewardError } from '../core/errors.ts';
import type { PgAccount } from './pg-account.ts';
import type { PgBinaries } from './pg-binaries.ts';
import { diskFull, homeError, type PgHome } from './pg-home.ts';
import { isAlive } from './pg-process.ts';

export const ROLE = 'steward';

// A new cluster takes 40 MB and its log of changes a little more; PostgreSQL stops in the middle where it finds less.
const ROOM_NEEDED = 64 * 1024 * 1024;

/** The major version that wrote the data folder, or `undefined` where there is none yet. */
export async function dataVersion(paths: PgHome): Promise<number | undefined> {
  const text = await readFile(join(paths.data, 'PG_VERSION'), 'utf8').catch((thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined;
    throw homeError(thrown, paths.home, 'read its data');
  });
  return text === undefined ? undefined : Number.parseInt(text, 10);
}

/** Refuses a data folder that these binaries cannot read. */
export async function assertReadable(paths: PgHome, binaries: PgBinaries): Promise<void> {
  const found = await dataVersion(paths);
  if (found === undefined || found === binaries.major) return;
  if (found > binaries.major) {
    throw new StewardError(
      'STORE_NEWER',
      `The data in ${paths.data} was written by PostgreSQL ${found}; this Steward brings PostgreSQL ${binaries.major}.`,
      {
        hint: 'Start the newer Steward that wrote it, or restore a backup that this one made. Nothing was touched.',
      },
    );
  }
  throw new StewardError(
    'PRECONDITION_FAILED',
    `The data in ${paths.data} was written by PostgreSQL ${found}; this Steward brings PostgreSQL ${binaries.major}, which cannot read it.`,
    {
      hint: 'Start the Steward that wrote it and back up its state there. Nothing was touched.',
    },
  );
}

export async function assertRoom(paths: PgHome, doing: string): Promise<void> {
  const { bavail, bsize } = await statfs(paths.root);
  if (bavail * bsize < ROOM_NEEDED) throw diskFull(paths.home, doing);
}

/**
 * The password of the one role. It comes to be whole or not at all, and the first of two that start at once decides it.
 */
export async function readPassword(paths: PgHome): Promise<string> {
  try {
    const draft = `${paths.password}.${randomBytes(4).toString('hex')}`;
    const known = await readFile(paths.password, 'utf8').catch(ifMissing(''));
    if (known !== '') return known.trim();
    if ((await dataVersion(paths)) !== undefined) {
      throw new StewardError(
        'HOME_UNUSABLE',
        `The password of the store is missing: ${paths.password} is gone, and the data in ${paths.data} is locked with it.`,
        {
          hint: 'Put the file back from a backup of the home folder.',
        },
      );
    }
    await writeFile(draft, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
    await link(draft, paths.password).catch(ifExists);
    await unlink(draft);
    return (await readFile(paths.password, 'utf8')).trim();
  } catch (thrown) {
    throw homeError(thrown, paths.home, 'keep the password of its store');
  }
}

/** Creates the data folder where there is none. What an interrupted attempt left is thrown away. */
export async function createCluster(
  paths: PgHome,
  binaries: PgBinaries,
  password: string,
  account: PgAccount | undefined,
): Promise<void> {
  if ((await dataVersion(paths)) !== undefined) return;
  for (const entry of await readdir(paths.root)) {
    const draftOf = /^creating-(\d+)-/.exec(entry)?.[1];
    if (draftOf && !isAlive(Number(draftOf))) await rm(join(paths.root, entry), { recursive: true, force: true });
  }
  const draft = await mkdtemp(join(paths.root, `creating-${process.pid}-`));
  try {
    const passwordFile = join(draft, 'password');
    await writeFile(passwordFile, password, { mode: 0o600 });
    if (account) for (const path of [draft, passwordFile]) await chown(path, account.uid, account.gid);
    const options: Record<string, string> = {
      pgdata: join(draft, 'data'),
      username: ROLE,
      pwfile: passwordFile,
      auth: 'scram-sha-256',
      encoding: 'UTF8',
      // PostgreSQL's own C.UTF-8 sorts the same on every machine; the system's may be missing, or change with an update.
      locale: 'C',
      'locale-provider': 'builtin',
      'builtin-locale': 'C.UTF-8',
    };
    await promisify(execFile)(
      join(binaries.folder, 'bin', 'initdb'),
      [
        '--data-checksums',
        '--no-instructions',
        ...Object.entries(options).map(([name, value]) => `--${name}=${value}`),
      ],
      { cwd: draft, env: serverEnvironment(), ...(account && { uid: account.uid, gid: account.gid }) },
    );
    await rename(join(draft, 'data'), paths.data).catch(ifExists);
  } catch (thrown) {
    const { stderr = '' } = thrown as { stderr?: string };
    if (/No space left on device|Disk quota exceeded/.test(stderr))
      throw diskFull(paths.home, 'create its store', thrown);
    if (!stderr) throw homeError(thrown, paths.home, 'create its store');
    throw new StewardError(
      'STORE_UNAVAILABLE',
      `PostgreSQL could not create its data folder ${paths.data}: ${stderr.trim().split('\n').at(-1)}`,
      {
        hint: 'The line above says what stood in the way; start again once it is gone.',
        cause: thrown,
      },
    );
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Folders of the server, owned by who runs it. */
export async function prepareFolders(paths: PgHome, account: PgAccount | undefined): Promise<void> {
  const own = { uid: account?.uid ?? process.getuid?.() ?? 0, gid: account?.gid ?? process.getgid?.() ?? 0 };
  try {
    for (const folder of [paths.log, paths.socketDir]) {
      await mkdir(folder, { mode: 0o700 }).catch(ifExists);
      const found = await lstat(folder);
      // A fallback below /tmp could have been put there by anyone; a link there could lead anywhere.
      if (!found.isDirectory() || (found.uid !== own.uid && found.uid !== process.getuid?.())) {
        throw new StewardError(
          'HOME_UNUSABLE',
          `${folder}, where the store's socket belongs, is owned by uid ${found.uid}.`,
          {
            hint: `Remove ${folder}, or choose a shorter STEWARD_HOME so that the socket fits beside the data.`,
          },
        );
      }
      if (found.uid !== own.uid) await chown(folder, own.uid, own.gid);
      if ((found.mode & 0o777) !== 0o700) await chmod(folder, 0o700);
    }
  } catch (thrown) {
    throw homeError(thrown, paths.home, 'prepare its store');
  }
}

/** Nothing of Steward's own environment: no credential of its reaches the server. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' };
}

function ifMissing<T>(value: T): (thrown: NodeJS.ErrnoException) => T {
  return (thrown) => {
    if (thrown.code === 'ENOENT') return value;
    throw thrown;
  };
}

function ifExists(thrown: NodeJS.ErrnoException): void {
  if (thrown.code !== 'EEXIST' && thrown.code !== 'ENOTEMPTY') throw thrown;
}
