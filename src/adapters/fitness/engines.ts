import type { DatabaseEngine } from '../../core/database/engine.ts';
import type { EngineDeps } from './deps.ts';
import { createMysqlEngine } from './mysql/index.ts';
import { createPostgresEngine } from './postgres/index.ts';
import { createRedisEngine } from './redis/index.ts';
import { createSqliteEngine } from './sqlite/index.ts';

/** How each kind of database is looked at and kept fit. */
export function createEngines(deps: EngineDeps): DatabaseEngine[] {
  const engines = [
    createPostgresEngine(deps),
    createMysqlEngine(deps),
    createSqliteEngine(deps),
    createRedisEngine(deps),
  ];
  // Each is asked about sources of its own kind only: adapters/fitness chooses by it.
  return engines as unknown as DatabaseEngine[];
}
