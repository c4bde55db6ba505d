import { PostgresSource, type SourceOf } from '../../core/backup/source.ts';
import type { TestPostgres } from '../world/postgres.ts';

/** A source that leads to a server of a test; its password is whatever `secrets` says of `{env: PASSWORD}`. */
export function postgresSourceOf(
  { host, port, user }: Pick<TestPostgres, 'host' | 'port' | 'user'>,
  more: object = {},
): SourceOf<'postgres'> {
  return PostgresSource.parse({
    kind: 'postgres',
    name: 'main',
    host,
    port,
    user,
    password: { env: 'PASSWORD' },
    ...more,
  });
}
