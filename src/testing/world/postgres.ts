import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { freePort, type RunningProgram, startProgram } from './start-program.ts';
import { tempFolder } from './temp-folder.ts';

const BIN = '/usr/lib/postgresql/15/bin';
/** Who runs servers of tests that refuse root. */
export const nobody = process.getuid?.() === 0 ? { name: 'nobody', uid: 65_534, gid: 65_534 } : undefined;

export interface TestPostgres extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly folder: string;
  /** Ends and starts it again on the same data. */
  stop(): Promise<void>;
  start(): Promise<void>;
  session(database?: string, user?: string): Promise<pg.Client>;
  /** Runs statements in a session of their own, one after the other, and gives the rows of the last. */
  say(database: string, ...statements: readonly string[]): Promise<Record<string, unknown>[]>;
}

/** A PostgreSQL of the test's own, with a password for everybody; on a disk of that size, as mount takes it, where one is given. */
export async function startPostgres(
  settings: Readonly<Record<string, string>> = {},
  { disk }: { readonly disk?: string } = {},
): Promise<TestPostgres> {
  const folder = await tempFolder('stw-pg');
  await chmod(folder.path, 0o755);
  const [data, passwordFile, sockets] = ['data', 'password', 's'].map((name) => join(folder.path, name)) as [
    string,
    string,
    string,
  ];
  const [port, password] = [await freePort(), 's3cret \\ word'];
  await writeFile(passwordFile, `${password}\n`);
  await mkdir(sockets);
  await mkdir(data);
  if (disk !== undefined) await promisify(execFile)('mount', ['-t', 'tmpfs', '-o', `size=${disk}`, 'tmpfs', data]);
  const as = nobody && { uid: nobody.uid, gid: nobody.gid };
  if (nobody) for (const path of [data, passwordFile, sockets]) await chown(path, nobody.uid, nobody.gid);
  await promisify(execFile)(
    join(BIN, 'initdb'),
    [
      '-D',
      data,
      '-U',
      'postgres',
      '--auth=scram-sha-256',
      `--pwfile=${passwordFile}`,
      '--no-sync',
      '-E',
      'UTF8',
      '--locale=C.UTF-8',
    ],
    { ...as, cwd: '/' },
  );
  const all = { fsync: 'off', max_wal_senders: '0', unix_socket_directories: sockets, ...settings };
  let server: RunningProgram | undefined;
  const start = async (): Promise<void> => {
    server = await startProgram({
      program: join(BIN, 'postgres'),
      args: [
        '-D',
        data,
        '-p',
        String(port),
        ...Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
      ],
      ...as,
      cwd: '/',
      ready: { output: /ready to accept connections/ },
      // One that is asked to stop waits for its clients.
      stopMs: 2_000,
    });
  };
  const session = async (database = 'postgres', user = 'postgres'): Promise<pg.Client> => {
    const client = new pg.Client({ host: '127.0.0.1', port, user, password, database });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  };
  await start();
  const stop = async (): Promise<void> => await server?.stop();
  return {
    host: '127.0.0.1',
    port,
    user: 'postgres',
    password,
    folder: folder.path,
    start,
    stop,
    session,
    async say(database, ...statements) {
      const client = await session(database);
      try {
        let rows: Record<string, unknown>[] = [];
        for (const statement of statements) ({ rows } = await client.query<Record<string, unknown>>(statement));
        return rows;
      } finally {
        await client.end();
      }
    },
    async [Symbol.asyncDispose]() {
      await stop();
      if (disk !== undefined) await promisify(execFile)('umount', [data]);
      await folder.remove();
    },
  };
}
