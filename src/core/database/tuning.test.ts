import { describe, expect, it } from 'vitest';
import { tuneMysql, type MysqlFigures } from './tune-mysql.ts';
import { type PostgresFigures, tunePostgres } from './tune-postgres.ts';
import { GB, type Machine, MB } from './tuning.ts';

const machine: Machine = {
  memoryBytes: 16 * GB,
  availableBytes: 12 * GB,
  of: "the machine's memory",
  rotational: false,
};
/** As PostgreSQL is installed. */
const settings: PostgresFigures['settings'] = {
  shared_buffers: 128 * MB,
  effective_cache_size: 4 * GB,
  work_mem: 4 * MB,
  maintenance_work_mem: 64 * MB,
  max_wal_size: GB,
  max_connections: 100,
  random_page_cost: 4,
  checkpoint_completion_target: 0.9,
  autovacuum: true,
  autovacuum_vacuum_scale_factor: 0.2,
};
const figures: PostgresFigures = {
  settings,
  dataBytes: 100 * GB,
  checkpoints: { timed: 10, requested: 30 },
  tempBytes: GB,
  largestTableRows: 50_000_000,
};
const postgres = (more: Partial<PostgresFigures> = {}, on: Machine = machine): Record<string, string> =>
  Object.fromEntries(tunePostgres({ ...figures, ...more }, on).map(({ setting, should }) => [setting, should]));

describe('what PostgreSQL should be set to', () => {
  it('is what its machine, its data and what it was asked say, and only what buffers take needs a restart', () => {
    expect(postgres()).toEqual({
      shared_buffers: '4096MB',
      effective_cache_size: '12288MB',
      work_mem: '40MB',
      maintenance_work_mem: '1024MB',
      max_wal_size: '2048MB',
      random_page_cost: '1.1',
      autovacuum_vacuum_scale_factor: '0.02',
    });
    const restarts = tunePostgres(figures, machine).filter(({ restart }) => restart);
    expect(restarts.map(({ setting }) => setting)).toEqual(['shared_buffers']);
  });

  it('is no larger cache than its data, no more than is free, and nothing for what nobody needed', () => {
    expect(postgres({ dataBytes: 10 * MB })).not.toHaveProperty('shared_buffers');
    expect(postgres({}, { ...machine, availableBytes: 640 * MB })['shared_buffers']).toBe('640MB');
    const quiet = postgres({ tempBytes: 0, checkpoints: { timed: 50, requested: 1 }, largestTableRows: 9 });
    for (const setting of ['work_mem', 'max_wal_size', 'autovacuum_vacuum_scale_factor'])
      expect(quiet).not.toHaveProperty(setting);
    expect(postgres({}, { ...machine, rotational: undefined })).not.toHaveProperty('random_page_cost');
    expect(postgres({}, { ...machine, rotational: true })).not.toHaveProperty('random_page_cost');
  });

  it('takes back what is more than the machine has, and turns autovacuum on again', () => {
    const greedy = { ...settings, work_mem: GB, shared_buffers: 12 * GB, autovacuum: false };
    expect(postgres({ settings: greedy, tempBytes: 0 })).toMatchObject({
      work_mem: '40MB',
      shared_buffers: '4096MB',
      autovacuum: 'on',
    });
  });

  it('says nothing of a server that is set as it says', () => {
    const tuned = {
      ...settings,
      shared_buffers: 4 * GB,
      effective_cache_size: 12 * GB,
      work_mem: 40 * MB,
      maintenance_work_mem: GB,
      random_page_cost: 1.1,
      autovacuum_vacuum_scale_factor: 0.02,
    };
    expect(postgres({ settings: tuned, checkpoints: { timed: 90, requested: 1 } })).toEqual({});
  });
});

/** As MariaDB is installed. */
const maria: MysqlFigures = {
  bufferPoolBytes: 128 * MB,
  redoBytes: 96 * MB,
  redoSetting: 'innodb_log_file_size',
  redoOnline: true,
  dataBytes: 100 * GB,
  redoWrittenBytes: 10 * GB,
  uptimeSeconds: 36_000,
  missRatio: 0.2,
  flushAtCommit: 1,
  temporary: { inMemory: 1_000, onDisk: 4_000 },
  tmpTableBytes: 16 * MB,
  maxHeapBytes: 16 * MB,
};
const mysql = (more: Partial<MysqlFigures> = {}): Record<string, string> =>
  Object.fromEntries(tuneMysql({ ...maria, ...more }, machine).map(({ setting, should }) => [setting, should]));

describe('what MariaDB should be set to', () => {
  it('is half of the memory as its pool, an hour of its log, and what temporary tables went to the disk for', () => {
    expect(mysql()).toEqual({
      innodb_buffer_pool_size: '8192MB',
      innodb_log_file_size: '1024MB',
      tmp_table_size: '64MB',
    });
    expect(tuneMysql(maria, machine)[0]?.why).toContain('20.0 % of its reads go to the disk');
  });

  it('says nothing of an hour that has not passed, and nothing where its data fits', () => {
    const small = { dataBytes: MB, uptimeSeconds: 60, temporary: { inMemory: 9, onDisk: 1 } };
    expect(mysql(small)).toEqual({});
    expect(mysql({ ...small, bufferPoolBytes: 14 * GB, flushAtCommit: 2 })).toEqual({
      innodb_buffer_pool_size: '128MB',
      innodb_flush_log_at_trx_commit: '1',
    });
  });
});
