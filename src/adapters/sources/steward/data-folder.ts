import { chown, constants, copyFile, lchown, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { errnoOf } from '../../files/file-errors.ts';
import type { PgSession } from '../postgres/access.ts';
import type { Account } from '../throw-away.ts';

/** Of the running server, or made anew by the next one. */
const NOT_COPIED = /^(postmaster\.(pid|opts)|postgresql\.conf.*|current_logfiles.*|pg_internal\.init.*|pgsql_tmp.*)$/;
/** Folders that have to be there, and may be empty. */
const EMPTIED = /^(pg_wal|pg_replslot|pg_dynshmem|pg_notify|pg_serial|pg_snapshots|pg_stat_tmp|pg_subtrans)$/;
const SEGMENT = /^[0-9A-F]{24}$/;

/** What of the data folder a server writes its changes to, from the first to the last that a copy needs. */
interface Stretch {
  readonly first: string;
  readonly last: string;
}

/**
 * A folder of a server that runs, as of the instant at which this ends: what is copied is torn, and the log of changes beside it
 * mends that when a server is started there. `meanwhile` is done while the log is held.
 */
export async function copyDataFolder(
  session: PgSession,
  from: string,
  to: string,
  {
    doing,
    now,
    meanwhile,
  }: { readonly doing: Doing; readonly now: () => Date; readonly meanwhile: () => Promise<void> },
): Promise<Date> {
  // Ended with the session, however that ends.
  await session.rows(`select pg_backup_start('steward', fast => true)`);
  await copyFolder(from, to, doing);
  await meanwhile();
  const [ended] = await session.rows<{ label: string; last: string }>(
    `select labelfile as label, pg_walfile_name(lsn) as last from pg_backup_stop(wait_for_archive => false)`,
  );
  const at = now();
  const { label = '', last = '' } = ended ?? {};
  const first = /\(file ([0-9A-F]{24})\)/.exec(label)?.[1] ?? '';
  await copyLog(join(from, 'pg_wal'), join(to, 'pg_wal'), { first, last });
  await writeFile(join(to, 'backup_label'), label, { mode: 0o600 });
  // Settings are written at every start.
  await writeFile(join(to, 'postgresql.conf'), '', { mode: 0o600 });
  return at;
}

async function copyFolder(from: string, to: string, doing: Doing, top = true): Promise<void> {
  doing.signal.throwIfAborted();
  await mkdir(to, { mode: 0o700 });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (NOT_COPIED.test(entry.name)) continue;
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) {
      if (top && EMPTIED.test(entry.name)) await mkdir(target, { mode: 0o700 });
      else await copyFolder(source, target, doing, false);
    } else if (entry.isFile()) {
      // A table that is dropped meanwhile is gone, and the log of changes says so.
      await copyFile(source, target, constants.COPYFILE_FICLONE).catch((thrown: unknown) => {
        if (errnoOf(thrown) !== 'ENOENT') throw thrown;
      });
    }
  }
}

async function copyLog(from: string, to: string, { first, last }: Stretch): Promise<void> {
  const needed = (await readdir(from)).filter((name) => SEGMENT.test(name) && name >= first && name <= last);
  const taken = await Promise.all(
    needed.map(async (name) => {
      await copyFile(join(from, name), join(to, name), constants.COPYFILE_FICLONE);
      return name;
    }),
  ).catch((thrown: unknown) => {
    if (errnoOf(thrown) === 'ENOENT') return [] as string[];
    throw thrown;
  });
  await mkdir(join(to, 'archive_status'), { recursive: true, mode: 0o700 });
  if (taken.includes(first) && taken.includes(last)) return;
  throw new StewardError(
    'UNAVAILABLE',
    'The store wrote more while it was copied than it keeps of its log of changes.',
    {
      hint: 'It is tried again by itself.',
      retryable: true,
    },
  );
}

/** Gives a data folder to who runs the server: no other may start there. */
export async function giveFolder(path: string, account: Account | undefined): Promise<void> {
  if (!account) return;
  await chown(path, account.uid, account.gid);
  for (const entry of await readdir(path, { withFileTypes: true, recursive: true }))
    await lchown(join(entry.parentPath, entry.name), account.uid, account.gid);
}

/** What a throw-away server leaves in a folder that is to be started elsewhere. */
export async function tidyDataFolder(data: string): Promise<void> {
  for (const name of ['postmaster.opts', 'backup_label.old', 'tablespace_map.old'])
    await rm(join(data, name), { force: true });
}
