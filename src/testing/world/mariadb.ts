import { execFile } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Connection, createConnection, type RowDataPacket } from 'mysql2/promise';
import { freePort, type RunningProgram, startProgram } from './start-program.ts';
import { tempFolder } from './temp-folder.ts';

export interface TestMariadb extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  readonly password: string;
  /** With further arguments, for as long as it runs. */
  start(...more: readonly string[]): Promise<void>;
  stop(): Promise<void>;
  session(database?: string, user?: string): Promise<Connection>;
  /** Runs statements in a session of their own, one after the other, and gives the rows of the last. */
  say(database: string | undefined, ...statements: readonly string[]): Promise<Record<string, unknown>[]>;
}

/** A MariaDB of the test's own; its root has a password. */
export async function startMariadb(): Promise<TestMariadb> {
  const folder = await tempFolder('stw-my');
  await chmod(folder.path, 0o755);
  const [port, password] = [await freePort(), "s3cret ' word"];
  const data = join(folder.path, 'data');
  const root = process.getuid?.() === 0 ? ['--user=root'] : [];
  await promisify(execFile)('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}`,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
    ...root,
  ]);
  const init = join(folder.path, 'init.sql');
  await writeFile(init, `alter user root@localhost identified by '${password.replaceAll("'", "''")}';\n`);
  let server: RunningProgram | undefined;
  const start = async (...more: readonly string[]): Promise<void> => {
    server = await startProgram({
      program: 'mariadbd',
      args: [
        '--no-defaults',
        `--datadir=${data}`,
        `--port=${port}`,
        '--bind-address=127.0.0.1',
        `--socket=${join(folder.path, 's')}`,
        `--init-file=${init}`,
        '--innodb-flush-log-at-trx-commit=0',
        ...root,
        ...more,
      ],
      ready: { output: /ready for connections/ },
      stopMs: 5_000,
    });
  };
  const session = async (database?: string, user = 'root'): Promise<Connection> => {
    const connection = await createConnection({
      host: '127.0.0.1',
      port,
      user,
      password,
      charset: 'utf8mb4',
      ...(database !== undefined && { database }),
    });
    connection.on('error', () => undefined);
    return connection;
  };
  await start();
  const stop = async (): Promise<void> => await server?.stop();
  return {
    host: '127.0.0.1',
    port,
    password,
    start,
    stop,
    session,
    async say(database, ...statements) {
      const connection = await session(database);
      try {
        let rows: RowDataPacket[] = [];
        for (const statement of statements) [rows] = await connection.query<RowDataPacket[]>(statement);
        return rows;
      } finally {
        await connection.end();
      }
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await folder.remove();
    },
  };
}
