import { execFile, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { eventually, freePort } from './steward.ts';

const run = promisify(execFile);
const BIN = '/usr/lib/postgresql/15/bin';

/** Why there is none here; false where there is. */
export const noDebianPostgres: string | false =
  existsSync(`${BIN}/postgres`) && process.getuid?.() === 0 ? false : 'needs root and the Debian package postgresql-15';

/** A PostgreSQL that speaks TCP, as several nodes would share it. */
export interface DebianPostgres {
  readonly port: number;
  /** An address of an empty database of its own, on loopback or whatever host is named. */
  database(name: string, host?: string): Promise<string>;
  query<Row>(databaseUrl: string, text: string, values?: unknown[]): Promise<Row[]>;
  /** Away at once, as in a power failure, and back. */
  stop(): Promise<void>;
  start(): Promise<void>;
  remove(): Promise<void>;
}

export async function startDebianPostgres({ listen = '127.0.0.1' }: { listen?: string } = {}): Promise<DebianPostgres> {
  const folder = mkdtempSync(join(tmpdir(), 'stw-pg15-'));
  const [uid, gid] = (await Promise.all(['-u', '-g'].map((flag) => run('id', [flag, 'postgres'])))).map(({ stdout }) =>
    Number(stdout),
  );
  if (uid === undefined || gid === undefined) throw new Error('there is no user postgres');
  chownSync(folder, uid, gid);
  const data = join(folder, 'data');
  const port = await freePort();
  const as = { uid, gid, cwd: folder };
  await run(`${BIN}/initdb`, ['-D', data, '-A', 'trust', '-U', 'steward', '--no-sync'], as);
  await run('/bin/sh', ['-c', `echo 'host all all all trust' >> ${data}/pg_hba.conf`], as);
  const admin = `postgresql://steward@127.0.0.1:${port}/postgres`;

  async function query<Row>(databaseUrl: string, text: string, values: unknown[] = []): Promise<Row[]> {
    const client = new pg.Client({ connectionString: databaseUrl, connectionTimeoutMillis: 2_000 });
    client.on('error', () => undefined);
    try {
      await client.connect();
      return (await client.query(text, values)).rows as Row[];
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  async function start(): Promise<void> {
    spawn(
      `${BIN}/postgres`,
      ['-D', data, '-p', String(port), '-k', folder, '-c', `listen_addresses=${listen}`, '-c', 'max_connections=200'],
      { ...as, stdio: 'ignore' },
    );
    await eventually('PostgreSQL answers', async () => (await query(admin, 'select 1 as one'))[0], 30_000);
  }
  const stop = async (): Promise<void> =>
    void (await run(`${BIN}/pg_ctl`, ['stop', '-D', data, '-m', 'immediate', '-w'], as));

  await start();
  return {
    port,
    query,
    start,
    stop,
    async database(name, host = '127.0.0.1') {
      await query(admin, `create database ${name}`);
      return `postgresql://steward@${host}:${port}/${name}`;
    },
    async remove() {
      await stop().catch(() => undefined);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
