import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { DatabaseEngine } from '../../../core/database/engine.ts';
import type { DatabaseLook } from '../../../core/database/look.ts';
import { StewardError } from '../../../core/errors.ts';
import type { SourceDeps } from '../../sources/deps.ts';
import { askChild } from '../../sources/sqlite/ask.ts';
import { fileError } from '../../files/file-errors.ts';
import { duplicatesOf } from '../duplicates.ts';
import type { FileLook, FitnessJob, FitnessSaid } from './jobs.ts';
import { performOn, type Reach } from './perform.ts';

export interface SqliteEngineOptions extends SourceDeps {
  /** How long a lock is waited for. */
  readonly lockMs?: (() => number) | undefined;
}

const CHILD = fileURLToPath(new URL('child.ts', import.meta.url));
/** To know its tables every page is read: of larger files only where maintenance is due. */
const READ_EACH_TIME_BYTES = 256 * 1024 ** 2;

/** What is known of a SQLite file is exact: it is read, not estimated. It is never copied and put in its place. */
export function createSqliteEngine({
  programs,
  scratch,
  now,
  lockMs = () => 5_000,
}: SqliteEngineOptions): DatabaseEngine<'sqlite'> {
  /** `temporary` is where SQLite puts what it needs for a while; such a file has no name, so nothing is left of it. */
  const ask: Reach['ask'] = async (job, hear, signal, temporary) => {
    const env = temporary === undefined ? undefined : { SQLITE_TMPDIR: temporary };
    return await askChild(programs, { child: CHILD, job, ...(env && { env }) }, job.path, signal, (said) =>
      hear(said as FitnessSaid),
    );
  };

  async function lookedAt(job: Extract<FitnessJob, { do: 'look' }>, signal: AbortSignal) {
    let look: FileLook | undefined;
    const { version } = await ask(
      job,
      (said) => {
        if (said.said === 'look') ({ look } = said);
      },
      signal,
    );
    if (!look) throw new StewardError('INTERNAL', `${job.path} was looked at, and nothing was said of it.`);
    return { look, version };
  }

  return {
    kind: 'sqlite',

    async look({ source }, { measure = false }, { signal }): Promise<DatabaseLook> {
      const { path } = source;
      const { size } = await stat(path).catch((thrown: unknown) => {
        throw fileError(path, thrown);
      });
      const tables = measure || size <= READ_EACH_TIME_BYTES;
      const { look, version } = await lookedAt({ do: 'look', path, waitMs: lockMs(), tables }, signal);
      const { size: logBytes = 0 } = (await stat(`${path}-wal`).catch(() => undefined)) ?? {};
      const blind = {
        what: 'its tables and indexes',
        hint: `To know them all ${Math.round(size / 1024 ** 2)} MB are read: that is done where maintenance is due.`,
      };
      return {
        source: source.name,
        kind: 'sqlite',
        version,
        at: now().toISOString(),
        ...told(basename(path), look),
        logBytes,
        slow: [],
        blind: [...(tables ? [] : [blind]), ...reckonedOf(look)],
      };
    },

    perform: ({ source }, task, doing) =>
      performOn(
        {
          path: source.path,
          waitMs: lockMs(),
          scratch,
          owner: source.name,
          ask,
          look: async (path, signal) =>
            (await lookedAt({ do: 'look', path, waitMs: lockMs(), tables: false }, signal)).look,
        },
        task,
        doing,
      ),
  };
}

function reckonedOf({ reckoned }: FileLook): DatabaseLook['blind'] {
  if (reckoned.length === 0) return [];
  const some = reckoned.slice(0, 3).join(', ');
  return [
    {
      what: `the exact size and rows of ${some}${reckoned.length > 3 ? ` and ${reckoned.length - 3} more` : ''}: a part was read`,
      hint: 'Whoever writes would wait while they are read whole. With PRAGMA journal_mode = WAL nobody waits.',
    },
  ];
}

function told(database: string, look: FileLook): Pick<DatabaseLook, 'databases' | 'tables' | 'indexes'> {
  const shapes = look.indexes.map(({ partial, ...index }) => ({
    ...index,
    // What rows a partial one is over is not compared.
    kind: partial ? `partial ${index.name}` : 'btree',
  }));
  const duplicates = duplicatesOf(shapes);
  return {
    databases: [
      {
        name: database,
        bytes: look.pages * look.pageSize,
        reclaimableBytes: look.freePages * look.pageSize,
        measured: true,
      },
    ],
    tables: look.tables.map(({ name, bytes, rows, analyzedRows }) => ({
      database,
      name,
      bytes,
      rows,
      measured: false,
      // When it was analyzed SQLite does not keep: only how many rows there were.
      ...(analyzedRows === null && { analyzedAt: null }),
      // Rows that are reckoned say nothing of how many were written.
      ...(analyzedRows !== null && !look.reckoned.includes(name) && { changedRows: Math.abs(rows - analyzedRows) }),
    })),
    indexes: shapes.map((index) => ({
      database,
      table: index.table,
      name: index.name,
      bytes: index.bytes,
      ...(index.columns.length > 0 && { columns: [...index.columns] }),
      valid: true,
      unique: index.unique,
      constraint: index.constraint,
      duplicateOf: duplicates.get(index),
      measured: false,
    })),
  };
}
