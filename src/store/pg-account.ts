import { execFile } from 'node:child_process';
import { chmod, chown, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { StewardError } from '../core/errors.ts';
import { homeError, type PgHome } from './pg-home.ts';
import { SCRATCH_MARK, scratchAccountIn } from './scratch-mark.ts';

const run = promisify(execFile);

/** The user that PostgreSQL runs as, where that is another one than Steward's own. */
export interface PgAccount {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

// A person who happens to be called steward must not own the store, hence the second name.
const SERVICE_USERS = ['steward', 'steward-store'];
const SCRATCH_USER = 'steward-scratch';
const FIRST_REGULAR_UID = 1_000;
const NOBODY = 65_534;

/**
 * PostgreSQL refuses to run as root, so root hands it to a system user, created once; anyone else runs it as oneself
 * (`undefined`). `notify` hears of the creation, and a file in the home folder records it.
 */
export async function serviceAccount(
  paths: PgHome,
  notify: (message: string) => void,
  names = SERVICE_USERS,
): Promise<PgAccount | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  for (const name of names) {
    const found = await lookUp(name);
    if (found) {
      if (found.uid < FIRST_REGULAR_UID || found.uid === NOBODY) return found;
      continue;
    }
    try {
      await addSystemUser(name, ['--user-group']);
    } catch (cause) {
      const other = await lookUp(name); // a second Steward may have created it meanwhile
      if (other) return other;
      throw new StewardError(
        'HOME_UNUSABLE',
        `PostgreSQL does not run as root, and the system user '${name}' for it could not be created: ${(cause as Error).message}`,
        {
          hint: `Create it (useradd --system ${name}), start Steward as an ordinary user, or set STEWARD_DATABASE_URL.`,
          cause,
        },
      );
    }
    const created = await lookUp(name);
    if (!created) continue;
    await writeFile(paths.createdUser, `${JSON.stringify({ user: name, uid: created.uid })}\n`, { mode: 0o644 });
    notify(`Created the system user '${name}' (uid ${created.uid}): PostgreSQL does not run as root.`);
    return created;
  }
  throw new StewardError(
    'HOME_UNUSABLE',
    `PostgreSQL does not run as root, and the users ${names.join(' and ')} belong to people.`,
    {
      hint: 'Start Steward as an ordinary user, or set STEWARD_DATABASE_URL.',
    },
  );
}

/**
 * The user that throw-away servers run as, because what is restored brings code along that runs with its rights: nothing belongs to it. Its
 * group is the store's, whose members may walk down to the home folder and see nothing there. Where it cannot be created it is `nobody`;
 * one of that name that Steward did not make is refused.
 */
export async function scratchAccount(
  paths: PgHome,
  notify: (message: string) => void,
  name = SCRATCH_USER,
): Promise<PgAccount | undefined> {
  const store = await serviceAccount(paths, notify);
  if (!store) return undefined;
  const found = await entryOf(name);
  if (found !== undefined) return { ...scratchAccountIn(found, store.gid), gid: store.gid };
  const made = ['--gid', String(store.gid), '--comment', SCRATCH_MARK.comment];
  await addSystemUser(name, made).catch(() => undefined);
  const entry = await entryOf(name);
  if (entry === undefined) return { name: 'nobody', uid: NOBODY, gid: store.gid };
  const created = scratchAccountIn(entry, store.gid);
  await writeFile(paths.createdScratchUser, `${JSON.stringify({ user: name, uid: created.uid })}\n`, { mode: 0o644 });
  notify(`Created the system user '${name}' (uid ${created.uid}): copies are tried out as somebody who owns nothing.`);
  return { ...created, gid: store.gid };
}

async function addSystemUser(name: string, more: readonly string[]): Promise<void> {
  const nowhere = ['--no-create-home', '--home-dir', SCRATCH_MARK.home, '--shell', SCRATCH_MARK.shell];
  await run('useradd', ['--system', ...more, ...nowhere, name]);
}

/** Its line, also where it is kept in a directory; undefined where nobody is called so. */
async function entryOf(name: string): Promise<string | undefined> {
  try {
    return (await run('getent', ['passwd', name])).stdout;
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') return undefined;
    const lines = (await readFile('/etc/passwd', 'utf8')).split('\n');
    return lines.find((line) => line.startsWith(`${name}:`));
  }
}

async function lookUp(name: string): Promise<PgAccount | undefined> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return undefined;
  }
}

/** Makes sure that the account can walk down to the home folder: opens the home itself, refuses where a folder above it is closed. */
export async function openPath(paths: PgHome, account: PgAccount): Promise<void> {
  try {
    const home = await stat(paths.home);
    if (!mayEnter(home, account)) {
      await chown(paths.home, home.uid, account.gid);
      await chmod(paths.home, (home.mode & 0o777) | 0o010);
    }
    for (let folder = dirname(paths.home); ; folder = dirname(folder)) {
      if (!mayEnter(await stat(folder), account)) {
        throw new StewardError(
          'HOME_UNUSABLE',
          `PostgreSQL runs as the user '${account.name}', who may not enter ${folder}, so ${paths.home} cannot hold its data.`,
          {
            hint: `Set STEWARD_HOME to a folder such as /var/lib/steward, or let others pass: chmod o+x ${folder}`,
          },
        );
      }
      if (folder === dirname(folder)) return;
    }
  } catch (thrown) {
    throw homeError(thrown, paths.home, 'let PostgreSQL in');
  }
}

function mayEnter(folder: { mode: number; uid: number; gid: number }, { uid, gid }: PgAccount): boolean {
  if (folder.uid === uid) return (folder.mode & 0o100) !== 0;
  if (folder.gid === gid) return (folder.mode & 0o010) !== 0;
  return (folder.mode & 0o001) !== 0;
}
