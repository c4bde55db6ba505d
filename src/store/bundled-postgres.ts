import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { chmod, mkdir, readdir, readFile, realpath, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { openPath, type PgAccount, serviceAccount } from './pg-account.ts';
import { installBinaries, packagedBinaries, removeOtherBinaries } from './pg-binaries.ts';
import {
  assertReadable,
  assertRoom,
  createCluster,
  prepareFolders,
  readPassword,
  ROLE,
  serverEnvironment,
} from './pg-cluster.ts';
import { type PgSettings, writeSettings } from './pg-settings.ts';
import { diskFull, homeError, pgHome, type PgHome } from './pg-home.ts';
import { endOrphans, gone, isPostmaster, readPidFile, stopPostmaster } from './pg-process.ts';

export interface BundledPostgresOptions {
  readonly home: string;
  readonly log: Log;
  /** Hears what a person at the console should know: a system user was created. */
  readonly notify: (message: string) => void;
  readonly settings?: PgSettings | undefined;
  /** Runs the server as this account instead of the one that fits. */
  readonly account?: PgAccount | undefined;
}

export interface PostgresServer {
  readonly pid: number;
  readonly adopted: boolean;
  readonly socketDir: string;
  readonly password: string;
  readonly paths: PgHome;
}

const READY_WITHIN_MS = 60_000;
const ORPHANS_LEAVE_WITHIN_MS = 3_000;
const STOP_WITHIN_MS = 20_000;
const KEPT_LOGS = 3;

/**
 * A running server on the home's data: the one that runs already, or a new one. It belongs to no process and outlives
 * whoever called; two callers at once end up with the same server.
 */
export async function ensurePostgres(options: BundledPostgresOptions): Promise<PostgresServer> {
  const { log } = options;
  const paths = await prepareHome(options.home);
  const password = await readPassword(paths);
  await assertReadable(paths, await packagedBinaries());

  const adopted = await adopt(paths, password, log);
  if (adopted) return adopted;

  await assertRoom(paths, 'start its store');
  const account = options.account ?? (await serviceAccount(paths, options.notify));
  if (account) await openPath(paths, account);
  const binaries = await installBinaries(paths);
  await prepareFolders(paths, account);
  await createCluster(paths, binaries, password, account);
  await clearStalePidFile(paths, log);
  await endOrphans(paths, ORPHANS_LEAVE_WITHIN_MS);
  await writeSettings(paths, account, options.settings ?? {});
  await removeOldLogs(paths);

  const pid = await launch(paths, join(binaries.folder, 'bin', 'postgres'), account);
  const outcome = await untilReady(paths, paths.socketDir, password, pid);
  if (outcome !== 'ready' || (await readPidFile(paths))?.pid !== pid) {
    // The other of two that start at once holds the data folder, and answers at the same socket.
    const theirs = await adopt(paths, password, log);
    if (theirs) return theirs;
    throw await startFailure(paths);
  }
  await removeOtherBinaries(paths, binaries);
  log.info('store started', { pid, version: binaries.version });
  return { pid, adopted: false, socketDir: paths.socketDir, password, paths };
}

/** Ends the server with everything written. */
export async function stopPostgres(server: PostgresServer): Promise<void> {
  await stopPostmaster(server.pid, STOP_WITHIN_MS);
}

/** `postgresql://` address of a database of the server, in the shape that pg, DBOS and psql understand. */
export function bundledUrl({ password, socketDir }: PostgresServer, database = 'postgres'): string {
  return `postgresql://${ROLE}:${password}@localhost/${database}?host=${encodeURIComponent(socketDir)}`;
}

async function prepareHome(home: string): Promise<PgHome> {
  try {
    const { root } = pgHome(home);
    await mkdir(root, { recursive: true });
    // Under a umask of 077 the service user could not pass through to its data.
    await chmod(root, 0o755);
    return pgHome(await realpath(home));
  } catch (thrown) {
    throw homeError(thrown, home, 'keep its data');
  }
}

async function adopt(paths: PgHome, password: string, log: Log): Promise<PostgresServer | undefined> {
  const found = await readPidFile(paths);
  if (!found || (await isPostmaster(paths, found.pid)) === false) return undefined;
  const server = { pid: found.pid, adopted: true, socketDir: found.socketDir, password, paths };
  const outcome = await untilReady(paths, found.socketDir, password, found.pid);
  if (outcome === 'ready') {
    log.info('running store adopted', { pid: found.pid });
    return server;
  }
  if (outcome === 'exited') return undefined;
  if (!(await isPostmaster(paths, found.pid))) {
    throw new StewardError(
      'HOME_UNUSABLE',
      `Process ${found.pid} may hold the data in ${paths.data}: it is alive, does not answer, and what it is cannot be seen.`,
      {
        hint: `See what it is (ps -fp ${found.pid}); if it is no PostgreSQL, remove ${join(paths.data, 'postmaster.pid')}.`,
      },
    );
  }
  log.warn('running store does not answer and is restarted', { pid: found.pid });
  await stopPostgres(server);
  return undefined;
}

/** Its pid may belong to anything by now, and PostgreSQL refuses to start while that lives: a zombie, or another process of this user. */
async function clearStalePidFile(paths: PgHome, log: Log): Promise<void> {
  const found = await readPidFile(paths);
  if (found && (await isPostmaster(paths, found.pid)) === false) {
    await unlink(join(paths.data, 'postmaster.pid')).catch(() => undefined);
    log.warn('store was not stopped cleanly and recovers', { pid: found.pid });
  }
  const lock = join(paths.socketDir, '.s.PGSQL.5432.lock');
  const holder = Number((await readFile(lock, 'utf8').catch(() => '')).split('\n')[0]);
  if (holder > 1 && (await isPostmaster(paths, holder)) === false) await unlink(lock).catch(() => undefined);
}

async function launch(paths: PgHome, program: string, account: PgAccount | undefined): Promise<number> {
  const output = openSync(paths.startupLog, 'w', 0o600);
  try {
    // In a session of its own: what ends Steward (a closed terminal, kill -9) leaves the server in peace.
    const child = spawn(program, ['-D', paths.data], {
      cwd: paths.data,
      env: serverEnvironment(),
      detached: true,
      stdio: ['ignore', output, output],
      ...(account && { uid: account.uid, gid: account.gid }),
    });
    const pid = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('spawn', () => resolve(child.pid ?? 0));
    });
    child.unref();
    return pid;
  } catch (thrown) {
    throw homeError(thrown, paths.home, `start PostgreSQL${account ? ` as the user '${account.name}'` : ''}`);
  } finally {
    closeSync(output);
  }
}

/** `silent`: alive for the whole wait and no answer. */
async function untilReady(
  paths: PgHome,
  socketDir: string,
  password: string,
  pid: number,
): Promise<'ready' | 'exited' | 'silent'> {
  const deadline = performance.now() + READY_WITHIN_MS;
  let refusedSince: number | undefined;
  for (;;) {
    const answer = await knock(socketDir, password);
    if (answer === 'ready') return 'ready';
    if (await gone(pid, 0)) return 'exited';
    // While it recovers it says so. One that listens nowhere for long will not come back.
    refusedSince = answer === 'starting' ? undefined : (refusedSince ?? performance.now());
    if (refusedSince && performance.now() - refusedSince > 15_000) return 'silent';
    if (answer !== 'starting' && performance.now() > deadline) return 'silent';
    await sleep(20);
  }
}

async function knock(socketDir: string, password: string): Promise<'ready' | 'starting' | 'silent'> {
  const client = new pg.Client({
    host: socketDir,
    user: ROLE,
    password,
    database: 'postgres',
    connectionTimeoutMillis: 2_000,
    query_timeout: 2_000,
  });
  client.on('error', () => undefined);
  try {
    await client.connect();
    await client.query('select 1');
    return 'ready';
  } catch (thrown) {
    const { code } = thrown as { code?: string };
    // 53300: it lives, and every connection is taken.
    if (code === '53300') return 'ready';
    if (code === '57P03') return 'starting';
    if (code === '28P01') {
      throw new StewardError('HOME_UNUSABLE', `The store at ${socketDir} refuses the password in its home folder.`, {
        hint: 'Put the file pg/password back as it was when the store was created.',
        cause: thrown,
      });
    }
    return 'silent';
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function startFailure(paths: PgHome): Promise<StewardError> {
  const logs = [paths.startupLog, await newestLog(paths)].filter((file) => file !== undefined);
  const text = (await Promise.all(logs.map((file) => readFile(file, 'utf8').catch(() => '')))).join('\n');
  const lines = text.split('\n').filter((line) => /FATAL|PANIC|ERROR|postgres: /.test(line));
  if (/No space left on device|Disk quota exceeded/.test(text)) return diskFull(paths.home, 'start its store');
  return new StewardError(
    'STORE_UNAVAILABLE',
    `The bundled PostgreSQL does not start: ${lines.at(-1)?.trim() ?? 'it left without a word'}`,
    {
      hint: `Its log is in ${paths.log}.`,
    },
  );
}

async function newestLog(paths: PgHome): Promise<string | undefined> {
  const newest = (await serverLogs(paths)).at(-1);
  return newest && join(paths.log, newest);
}

/** The server rotates its log by size and keeps every one. */
export async function removeOldLogs(paths: PgHome): Promise<void> {
  for (const name of (await serverLogs(paths)).slice(0, -KEPT_LOGS)) await rm(join(paths.log, name), { force: true });
}

async function serverLogs(paths: PgHome): Promise<string[]> {
  return (await readdir(paths.log)).filter((name) => /^postgresql-.*\.log$/.test(name)).toSorted();
}
