import { readFile, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Doing } from '../../../core/backup/store.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import type { ScratchFolder } from '../scratch.ts';
import {
  type Account,
  endWorkersOf,
  handOver,
  notServed,
  runAs,
  serve,
  socketFolder,
  withoutNetwork,
} from '../throw-away.ts';
import { openSession, type PgAccess } from './access.ts';
import { keptCluster } from './kept-cluster.ts';
import { JOBS } from './load.ts';
import type { PgTools } from './tools.ts';

/** Nobody in a copy is called so: what is restored brings its own roles along, `postgres` too. */
const USER = 'steward_throw_away';
const SOCKET = '.s.PGSQL.5432';
const MEMORY = 4 * 1024 ** 3;
const STARTS_WITHIN_MS = 60_000;
const STOPS_WITHIN_MS = 120_000;

/** It need not survive anything, only be fast; and nothing of it can be reached, nor does it reach out, over a network. */
const SETTINGS: Readonly<Record<string, string>> = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '4GB',
  checkpoint_timeout: '1h',
  shared_buffers: '128MB',
  maintenance_work_mem: '128MB',
  // Indexes are built by as many as load at once: helpers beside them are only more work where each core has one.
  max_parallel_maintenance_workers: String(Math.min(2, Math.max(0, availableParallelism() - JOBS))),
  autovacuum: 'off',
  max_logical_replication_workers: '0',
  archive_mode: 'off',
  logging_collector: 'off',
};

export interface ThrowAway {
  readonly access: PgAccess;
  /** Ends it with everything written, so that its data folder can be started again anywhere. */
  stop(): Promise<void>;
  /** Resolves when it is gone, whoever ended it. */
  readonly ended: Promise<unknown>;
  /** Harmless twice. */
  end(): Promise<void>;
}

interface Starting {
  readonly folder: ScratchFolder;
  readonly tools: PgTools;
  readonly programs: ProgramsPort;
  readonly account: Account | undefined;
  /** Where an empty cluster may be kept for the next. */
  readonly cache: string | undefined;
}

/** A server of one's own in a folder, reached by its socket there. */
export async function startThrowAway(starting: Starting, doing: Doing): Promise<ThrowAway> {
  const { folder, tools, programs, account, cache } = starting;
  await handOver(folder, account);
  const data = join(folder.path, 'data');
  const kept = keptCluster(programs, { cache, as: `${tools.version}-${account?.uid ?? process.getuid?.()}` });
  const start = (): Promise<ThrowAway> =>
    startServer({ folder, data, program: tools.program('postgres'), programs, account, user: USER }, doing);
  if (await kept.copyTo(data, doing)) {
    try {
      return await start();
    } catch (thrown) {
      if (doing.signal.aborted) throw thrown;
      await kept.forget();
      await rm(data, { recursive: true, force: true });
    }
  }
  await makeCluster(starting, data, doing);
  await kept.keep(data, doing);
  return await start();
}

async function makeCluster({ tools, programs, account }: Starting, data: string, { signal }: Doing): Promise<void> {
  const made = await programs.run({
    ...runAs(account, tools.program('initdb'), [
      `--pgdata=${data}`,
      `--username=${USER}`,
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
      '--no-instructions',
    ]),
    env: { LC_ALL: 'C' },
    timeoutMs: STARTS_WITHIN_MS,
    signal,
  });
  if (made.exitCode !== 0) throw notServed('PostgreSQL', 'could not be made', made.stderr);
}

/** A server on a data folder that is there, below `folder` and owned by the account. `settings` come to those of every throw-away one. */
export async function startServer(
  {
    folder,
    data,
    program,
    programs,
    account,
    user,
    settings = {},
  }: {
    readonly folder: ScratchFolder;
    readonly data: string;
    readonly program: string;
    readonly programs: ProgramsPort;
    readonly account: Account | undefined;
    readonly user: string;
    readonly settings?: Readonly<Record<string, string>> | undefined;
  },
  doing: Doing,
): Promise<ThrowAway> {
  const sockets = await socketFolder(folder, account, SOCKET);
  const access: PgAccess = {
    host: sockets,
    port: 5432,
    user,
    password: undefined,
    tls: 'disable',
    ca: undefined,
  };
  const all = Object.entries({ ...SETTINGS, ...settings, unix_socket_directories: sockets });
  const { end, ended } = await serve(
    {
      programs,
      command: {
        ...runAs(
          account,
          program,
          ['-D', data, ...all.flatMap(([name, value]) => ['-c', `${name}=${value}`])],
          await withoutNetwork(programs),
        ),
        env: { LC_ALL: 'C', TZ: 'UTC' },
        cwd: folder.path,
        memoryLimit: MEMORY,
        outputLimit: 64 * 1024,
      },
      answers: async () => await (await openSession(access, 'postgres', doing))[Symbol.asyncDispose](),
      died: (said) => notServed('PostgreSQL', 'did not start', said),
      beforeEnd: () => endWorkersOf(data, 'SIGQUIT'),
      withinMs: STARTS_WITHIN_MS,
    },
    doing,
  );
  return {
    access,
    ended,
    end,
    async stop() {
      // SIGINT is its fast shutdown: sessions end, everything is written.
      const pid = Number((await readFile(join(data, 'postmaster.pid'), 'utf8').catch(() => '')).split('\n')[0]);
      if (pid > 1) process.kill(pid, 'SIGINT');
      const late = sleep(STOPS_WITHIN_MS, undefined, { signal: doing.signal, ref: false });
      const result = await Promise.race([ended, late]);
      await end();
      if (result?.exitCode !== 0) throw notServed('PostgreSQL', 'did not stop cleanly', result?.said ?? '');
    },
  };
}
