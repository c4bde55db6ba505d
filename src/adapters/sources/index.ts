import type { SourceReader } from '../../core/backup/reader.ts';
import type { SourceDeps } from './deps.ts';
import { createSqliteReader } from './sqlite/index.ts';

export type ReaderDeps = SourceDeps;

/** How each kind of source is copied, checked and restored. */
export function createReaders(deps: ReaderDeps): SourceReader[] {
  return [createSqliteReader(deps)] as unknown as SourceReader[];
}
