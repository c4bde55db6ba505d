import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
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
import { type MyAccess, openSession } from './access.ts';
import type { MyTools } from './tools.ts';

/** Nobody in a copy is called so: what is restored brings its own users along, root too. */
const USER = 'steward_throw_away';
const SOCKET = 'mysqld.sock';
const MEMORY = 4 * 1024 ** 3;
const STARTS_WITHIN_MS = 120_000;

export interface ThrowAway {
  readonly access: MyAccess;
  /** Resolves when it is gone, whoever ended it. */
  readonly ended: Promise<unknown>;
  /** Harmless twice. */
  end(): Promise<void>;
}

/** A server of one's own in a folder, reached by its socket there. It need not survive anything, and its events never run. */
export async function startThrowAway(
  {
    folder,
    server,
    lowerCase,
    programs,
    account,
  }: {
    readonly folder: ScratchFolder;
    readonly server: NonNullable<MyTools['server']>;
    readonly lowerCase: number;
    readonly programs: ProgramsPort;
    readonly account: Account | undefined;
  },
  doing: Doing,
): Promise<ThrowAway> {
  await handOver(folder, account);
  const data = join(folder.path, 'data');
  const init = join(folder.path, 'init.sql');
  const all = `GRANT ALL PRIVILEGES ON *.* TO ${USER}@localhost WITH GRANT OPTION;`;
  await writeFile(init, `CREATE USER ${USER}@localhost;\n${all}\n`, { mode: 0o644 });
  const made = await programs.run({
    ...runAs(account, server.install, [
      '--no-defaults',
      `--datadir=${data}`,
      '--auth-root-authentication-method=normal',
      '--skip-test-db',
      `--lower-case-table-names=${lowerCase}`,
    ]),
    cwd: folder.path,
    env: { LC_ALL: 'C', HOME: folder.path, TMPDIR: folder.path },
    timeoutMs: STARTS_WITHIN_MS,
    memoryLimit: MEMORY,
    signal: doing.signal,
  });
  if (made.exitCode !== 0) throw notServed('MariaDB', 'could not be made', `${made.stdout}\n${made.stderr}`);
  const sockets = await socketFolder(folder, account, SOCKET);
  const socket = join(sockets, SOCKET);
  const access: MyAccess = {
    host: socket,
    port: 3306,
    socket,
    user: USER,
    password: undefined,
    tls: 'disable',
    ca: undefined,
  };
  const { end, ended } = await serve(
    {
      programs,
      command: {
        ...runAs(
          account,
          server.run,
          [
            '--no-defaults',
            `--datadir=${data}`,
            `--socket=${socket}`,
            `--init-file=${init}`,
            `--tmpdir=${folder.path}`,
            `--pid-file=${join(data, 'pid')}`,
            '--skip-networking',
            '--skip-log-bin',
            '--event-scheduler=OFF',
            '--innodb-flush-log-at-trx-commit=0',
            '--innodb-doublewrite=0',
            '--innodb-log-file-size=256M',
            '--max-allowed-packet=1G',
            `--lower-case-table-names=${lowerCase}`,
          ],
          await withoutNetwork(programs),
        ),
        env: { LC_ALL: 'C', TZ: 'UTC', HOME: folder.path },
        cwd: folder.path,
        memoryLimit: MEMORY,
        outputLimit: 64 * 1024,
      },
      answers: async () => await (await openSession(access, undefined, doing))[Symbol.asyncDispose](),
      died: (said) => notServed('MariaDB', 'did not start', said),
      // What it has not written yet nobody needs.
      beforeEnd: () => endWorkersOf(data, 'SIGKILL'),
      withinMs: STARTS_WITHIN_MS,
    },
    doing,
  );
  return { access, ended, end };
}
