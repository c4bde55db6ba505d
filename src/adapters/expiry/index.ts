import type { BackupSource } from '../../core/backup/source.ts';
import type { Doing } from '../../core/backup/store.ts';
import type { ExpiringTable } from '../../core/database/expiry.ts';
import { StewardError } from '../../core/errors.ts';
import type { ExpiryPort } from '../../core/ports/expiry.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { Reaching } from '../sources/reaching.ts';
import { openMysql } from './mysql.ts';
import { openPostgres } from './postgres.ts';
import { askSqlite } from './sqlite.ts';
import { type AnswerTo, clear, type Job, lookAt } from './work.ts';

export interface ExpiryDeps extends Reaching {
  readonly tables: () => readonly ExpiringTable[];
  readonly sources: () => readonly BackupSource[];
  readonly programs: ProgramsPort;
}

/** Tables whose rows expire, reached as the backup sources of their databases say. */
export function createExpiry(deps: ExpiryDeps): ExpiryPort {
  const { tables, sources, programs } = deps;
  async function ask<J extends Job>(job: J, doing: Doing): Promise<AnswerTo<J>> {
    const { table } = job;
    const source = sources().find(({ name }) => name === table.source);
    if (!source)
      throw new StewardError('NOT_FOUND', `The configuration has no source '${table.source}'.`, {
        hint: 'backups.sources in steward.yaml names them.',
      });
    const tell = (removed: number): void =>
      doing.progress?.({ bytes: removed, message: `${removed} expired rows of ${table.table} removed` });
    if (source.kind === 'sqlite') return await askSqlite(programs, source, job, { signal: doing.signal, tell });
    if (source.kind !== 'postgres' && source.kind !== 'mysql')
      throw new StewardError(
        'PRECONDITION_FAILED',
        `The source '${source.name}' is of the kind ${source.kind}: it has no tables.`,
        {
          hint: 'Name one of the kinds postgres, mysql, sqlite.',
        },
      );
    const database = databaseOf(source, table);
    const changes = job.do === 'clear';
    try {
      await using session = await (source.kind === 'postgres'
        ? openPostgres({ source, database, changes }, deps, doing)
        : openMysql({ source, database, changes }, deps, doing));
      return (await (job.do === 'look' ? lookAt(session, job) : clear(session, job, tell))) as AnswerTo<J>;
    } catch (thrown) {
      const error = StewardError.from(thrown);
      if (error.code !== 'FORBIDDEN') throw thrown;
      // What copies need is another thing.
      throw new StewardError('FORBIDDEN', error.message, {
        hint: `Its user needs SELECT, UPDATE and DELETE on ${table.table} in ${database}; and it has to be let in.`,
        cause: thrown,
      });
    }
  }

  return {
    tables,
    look: async (table, doing, before) => await ask({ do: 'look', table, before }, doing),
    clear: async (table, { before, withinMs }, doing) => await ask({ do: 'clear', table, before, withinMs }, doing),
  };
}

function databaseOf(
  source: Extract<BackupSource, { kind: 'postgres' | 'mysql' }>,
  { database }: ExpiringTable,
): string {
  const names = source.databases ?? [];
  const [only, ...others] = names;
  const chosen = database ?? (others.length === 0 ? only : undefined);
  if (chosen !== undefined) return chosen;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `The source '${source.name}' is a server with several databases: it is not said which is meant.`,
    { hint: 'Name it: database of this entry of databases.sessions.' },
  );
}
