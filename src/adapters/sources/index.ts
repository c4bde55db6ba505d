import type { SourceReader } from '../../core/backup/reader.ts';
import { createCertificatesReader } from './certificates/index.ts';
import { createFilesReader } from './files/index.ts';
import { createMysqlSource } from './mysql/index.ts';
import { createPostgresSource } from './postgres/index.ts';
import { createRedisReader } from './redis/index.ts';
import type { SqlDeps } from './sql-deps.ts';
import { createSqliteReader } from './sqlite/index.ts';
import { createStewardReader } from './steward/index.ts';
import type { StewardDeps } from './steward/own-state.ts';
import { createVolumeReader, type VolumeReaderOptions } from './volume/index.ts';

export type ReaderDeps = SqlDeps & VolumeReaderOptions & StewardDeps;

/** How each kind of source is copied, checked and restored. */
export function createReaders(deps: ReaderDeps): SourceReader[] {
  const readers = [
    createCertificatesReader(deps),
    createFilesReader(deps),
    createMysqlSource(deps),
    createPostgresSource(deps),
    createRedisReader(deps),
    createSqliteReader(deps),
    createStewardReader(deps),
    createVolumeReader(deps),
  ];
  // Each is asked about sources of its own kind only: adapters/backups chooses by it.
  return readers as unknown as SourceReader[];
}
