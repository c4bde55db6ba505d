import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { StewardError } from '../core/errors.ts';

/** Where everything of the bundled PostgreSQL lies, below the home folder. */
export interface PgHome {
  readonly home: string;
  readonly root: string;
  readonly data: string;
  readonly log: string;
  readonly startupLog: string;
  readonly password: string;
  readonly socketDir: string;
  /** The title of every process of this server, so that orphans can be told from another server's. */
  readonly clusterName: string;
  /** Written when Steward created a system user, so that uninstalling can remove it. */
  readonly createdUser: string;
  /** The same of the user that throw-away servers run as. */
  readonly createdScratchUser: string;
}

// sun_path holds 108 bytes on Linux and 104 on macOS, the final NUL included.
const SOCKET_PATH_BYTES = process.platform === 'darwin' ? 103 : 107;
const SOCKET_NAME = '/.s.PGSQL.5432';

export function pgHome(homeFolder: string): PgHome {
  const home = resolve(homeFolder);
  const root = join(home, 'pg');
  const hash = createHash('sha256').update(home).digest('hex').slice(0, 12);
  const beside = join(root, 'run');
  return {
    home,
    root,
    data: join(root, 'data'),
    log: join(root, 'log'),
    startupLog: join(root, 'startup.log'),
    password: join(root, 'password'),
    socketDir: Buffer.byteLength(beside + SOCKET_NAME) <= SOCKET_PATH_BYTES ? beside : `/tmp/steward-${hash}`,
    clusterName: `steward-${hash}`,
    createdUser: join(home, 'created-system-user.json'),
    createdScratchUser: join(home, 'created-scratch-user.json'),
  };
}

/** What a failed file operation below the home folder means for the operator. */
export function homeError(thrown: unknown, home: string, doing: string): StewardError {
  if (thrown instanceof StewardError) return thrown;
  const { code, message } = thrown as NodeJS.ErrnoException;
  if (code === 'ENOSPC' || code === 'EDQUOT') return diskFull(home, doing, thrown);
  return new StewardError('HOME_UNUSABLE', `Steward cannot ${doing} in ${home}: ${message}`, {
    hint: 'Give the user that runs Steward a folder it can write to: set STEWARD_HOME, or change the owner of the folder.',
    cause: thrown,
  });
}

export function diskFull(home: string, doing: string, cause?: unknown): StewardError {
  return new StewardError('DISK_FULL', `The disk that holds ${home} is full: Steward could not ${doing}.`, {
    hint: `Free some space there (df -h ${home}) or move STEWARD_HOME to another disk; Steward's data is intact.`,
    cause,
  });
}
