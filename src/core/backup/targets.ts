import { z } from 'zod';
import { StewardError } from '../errors.ts';
import type { SourceKind } from './source.ts';
import { naming } from '../naming.ts';

/** What people call the kinds of sources. */
const TARGETS: Readonly<Record<string, SourceKind>> = {
  postgresql: 'postgres',
  postgres: 'postgres',
  mariadb: 'mysql',
  mysql: 'mysql',
  sqlite: 'sqlite',
  redis: 'redis',
  'docker-volumes': 'volume',
  volumes: 'volume',
  volume: 'volume',
  files: 'files',
  configuration: 'files',
  'config-files': 'files',
  certificates: 'certificates',
  steward: 'steward',
  self: 'steward',
};

export const Targets = z
  .array(naming('source-kind', z.string().min(1)))
  .optional()
  .describe('Kinds of sources: postgresql, mariadb, sqlite, redis, docker-volumes, files, certificates, steward.');

/** Throws INPUT_INVALID for a word that no kind goes by. */
export function targetKinds(targets: readonly string[]): ReadonlySet<SourceKind> {
  return new Set(
    targets.map((target) => {
      const kind = Object.hasOwn(TARGETS, target) ? TARGETS[target] : undefined;
      if (kind) return kind;
      throw new StewardError('INPUT_INVALID', `'${target}' is no kind of source.`, {
        hint: `There are: ${Object.keys(TARGETS).join(', ')}.`,
      });
    }),
  );
}
