import { randomBytes } from 'node:crypto';
import { open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { PgAccount } from './pg-account.ts';
import { homeError, type PgHome } from './pg-home.ts';

/** Settings of the server by name; a test may add its own. */
export type PgSettings = Readonly<Record<string, string | number>>;

/** Sized for one machine's operations: small while idle, and asleep as long as nothing asks. */
const SMALL: PgSettings = {
  listen_addresses: '',
  unix_socket_permissions: '0700',
  max_connections: 40,
  password_encryption: 'scram-sha-256',
  fsync: 'on',
  shared_buffers: '24MB',
  work_mem: '2MB',
  maintenance_work_mem: '16MB',
  wal_buffers: '1MB',
  min_wal_size: '32MB',
  max_wal_size: '256MB',
  max_wal_senders: 0,
  max_replication_slots: 0,
  checkpoint_timeout: '10min',
  // The default starts three more processes that would only wait for reads.
  io_method: 'sync',
  max_worker_processes: 1,
  max_parallel_workers: 0,
  max_parallel_workers_per_gather: 0,
  max_logical_replication_workers: 0,
  autovacuum_max_workers: 2,
  autovacuum_worker_slots: 2,
  autovacuum_naptime: '1min',
  autovacuum_vacuum_scale_factor: 0.1,
  jit: 'off',
  huge_pages: 'off',
  // Off lets the writer sleep until a checkpoint needs it.
  bgwriter_lru_maxpages: 0,
  wal_writer_delay: '1s',
  timezone: 'UTC',
  log_timezone: 'UTC',
  logging_collector: 'on',
  log_filename: 'postgresql-%Y%m%d-%H%M%S.log',
  log_rotation_age: 0,
  log_rotation_size: '8MB',
  log_checkpoints: 'off',
  log_min_duration_statement: '5s',
  log_line_prefix: '%m [%p] %a ',
};

/** Written at every start: the file is ours, and a setting of an earlier release must not linger. */
export async function writeSettings(paths: PgHome, account: PgAccount | undefined, extra: PgSettings): Promise<void> {
  const settings: PgSettings = {
    ...SMALL,
    ...extra,
    unix_socket_directories: paths.socketDir,
    log_directory: paths.log,
    cluster_name: paths.clusterName,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${String(value).replaceAll("'", "''")}'`);
  const file = join(paths.data, 'postgresql.conf');
  const draft = `${file}.${randomBytes(4).toString('hex')}`;
  try {
    // The folder belongs to the server's user, who could have put a link there: `wx` follows none.
    await using handle = await open(draft, 'wx', 0o600);
    await handle.writeFile(`# Written by Steward at every start.\n${lines.join('\n')}\n`);
    if (account) await handle.chown(account.uid, account.gid);
    await rename(draft, file);
  } catch (thrown) {
    throw homeError(thrown, paths.home, 'write the settings of its store');
  }
}
