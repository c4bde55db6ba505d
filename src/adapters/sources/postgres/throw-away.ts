import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import type { ProgramsPort } from '../../../core/ports/programs.ts';
import { AS_LONG_AS_IT_TAKES_MS } from '../flow.ts';
import type { ScratchFolder } from '../scratch.ts';
import { type Account, endWorkersOf, handOver, runAs, socketFolder } from '../throw-away.ts';
import { openSession, type PgAccess } from './access.ts';
import type { PgTools } from './tools.ts';

/** Nobody in a copy is called so: what is restored brings its own roles along, `postgres` too. */
const USER = 'steward_throw_away';
const SOCKET = '.s.PGSQL.5432';
const MEMORY = 4 * 1024 ** 3;
const STARTS_WITHIN_MS = 60_000;

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
  autovacuum: 'off',
  max_logical_replication_workers: '0',
  archive_mode: 'off',
  logging_collector: 'off',
};

export interface ThrowAway {
  readonly access: PgAccess;
  /** Harmless twice. */
  end(): Promise<void>;
}

/** A server of one's own in a folder, reached by its socket there. */
export async function startThrowAway(
  {
    folder,
    tools,
    programs,
    account,
  }: {
    readonly folder: ScratchFolder;
    readonly tools: PgTools;
    readonly programs: ProgramsPort;
    readonly account: Account | undefined;
  },
  doing: Doing,
): Promise<ThrowAway> {
  await handOver(folder, account);
  const data = join(folder.path, 'data');
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
    signal: doing.signal,
  });
  if (made.exitCode !== 0) throw failed('could not be made', made.stderr);
  const sockets = await socketFolder(folder, account, SOCKET);
  const stop = new AbortController();
  const settings = Object.entries({ ...SETTINGS, unix_socket_directories: sockets });
  let ended: { readonly stderr: string } | undefined;
  const running = programs
    .run({
      ...runAs(account, tools.program('postgres'), [
        '-D',
        data,
        ...settings.flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ]),
      env: { LC_ALL: 'C', TZ: 'UTC' },
      cwd: folder.path,
      timeoutMs: AS_LONG_AS_IT_TAKES_MS,
      memoryLimit: MEMORY,
      outputLimit: 64 * 1024,
      signal: AbortSignal.any([doing.signal, stop.signal]),
    })
    .then(
      (result) => (ended = result),
      (thrown: Error) => (ended = { stderr: thrown.message }),
    );
  const end = async (): Promise<void> => {
    await endWorkersOf(data, 'SIGQUIT');
    stop.abort();
    await running;
  };
  const access: PgAccess = {
    host: sockets,
    port: 5432,
    user: USER,
    password: undefined,
    tls: 'disable',
    ca: undefined,
  };
  try {
    for (const until = performance.now() + STARTS_WITHIN_MS; ; await sleep(25, undefined, { signal: doing.signal })) {
      if (ended) throw failed('did not start', ended.stderr);
      try {
        await (await openSession(access, 'postgres', doing))[Symbol.asyncDispose]();
        return { access, end };
      } catch (thrown) {
        if (doing.signal.aborted || performance.now() > until) throw thrown;
      }
    }
  } catch (thrown) {
    await end();
    throw thrown;
  }
}

function failed(how: string, stderr: string): StewardError {
  const full = /No space left on device/.test(stderr);
  return new StewardError(
    full ? 'DISK_FULL' : 'UNAVAILABLE',
    `The throw-away PostgreSQL ${how}: ${stderr.trim().split('\n').slice(-2).join(' ')}`,
    {
      hint: full
        ? 'Free some space where Steward keeps its scratch files.'
        : 'Its own words say why; the copy itself was not looked at.',
    },
  );
}
