import { setTimeout as sleep } from 'node:timers/promises';
import type { Kysely } from 'kysely';
import { StewardError } from '../core/errors.ts';
import type { Line, LineFeed, LogLevel } from '../core/lines.ts';
import type { Log } from '../core/log.ts';
import { isFinal } from '../core/run.ts';
import type { EngineTables } from './tables.ts';

const EVERY_MS = 500;
const AT_ONCE = 500;
/** Lines get their numbers before they can be read, so one with a smaller number may come a moment later. */
const LOOKED_BACK = 200;
/** After the end of a run its last lines are still on their way. */
const LAST_LOOKS = 4;

export interface RunLines extends LineFeed {
  /** The newest of all runs, oldest first. */
  recent(since: Date, limit: number): Promise<Line[]>;
}

const ALL = '*';

/** What runs say, wherever they run: of one, or of all. Read from the store, so every node can tell. */
export function createRunLines({
  db,
  now,
  log,
}: {
  readonly db: Kysely<EngineTables>;
  readonly now: () => Date;
  readonly log: Log;
}): RunLines {
  const lines = (run: string | undefined) =>
    db
      .selectFrom('run_logs')
      .innerJoin('runs', 'runs.id', 'run_logs.run_id')
      .select([
        'run_logs.id',
        'run_logs.at',
        'run_logs.level',
        'run_logs.message',
        'run_logs.run_id',
        'runs.automation',
      ])
      .$if(run !== undefined, (query) => query.where('run_logs.run_id', '=', run ?? ''));

  async function follow(
    run: string | undefined,
    since: Date | undefined,
    emit: (lines: readonly Line[]) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let last = since ? 0 : await lastId();
    const begin = last;
    const seen = new Set<number>();
    let told = '';
    let looks = LAST_LOOKS;
    while (!signal.aborted && looks > 0) {
      const rows = await lines(run)
        .where('run_logs.id', '>', Math.max(begin, last - LOOKED_BACK))
        .$if(since !== undefined, (query) => query.where('run_logs.at', '>=', since ?? new Date(0)))
        .orderBy('run_logs.id')
        .limit(AT_ONCE)
        .execute();
      const fresh = rows.filter(({ id }) => !seen.has(id));
      for (const { id } of rows) seen.add(id);
      last = Math.max(last, rows.at(-1)?.id ?? last);
      for (const id of seen) if (id < last - 2 * LOOKED_BACK) seen.delete(id);
      if (fresh.length > 0 && !signal.aborted) emit(fresh.map(lineOf));
      if (run !== undefined) {
        const row = await db
          .selectFrom('runs')
          .select(['status', 'progress', 'automation'])
          .where('id', '=', run)
          .executeTakeFirst();
        const { message, done, total } = row?.progress ?? {};
        const text = [message, total === undefined ? undefined : `${done} of ${total}`].filter(Boolean).join(', ');
        if (row && text !== '' && text !== told)
          emit([{ at: now(), component: row.automation, level: 'info', text, source: `progress of ${run}` }]);
        told = text;
        if (!row || isFinal(row.status)) looks -= 1;
      }
      if (fresh.length < AT_ONCE) await sleep(EVERY_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async function lastId(): Promise<number> {
    const row = await db
      .selectFrom('run_logs')
      .select(({ fn }) => fn.max('id').as('id'))
      .executeTakeFirst();
    return row?.id ?? 0;
  }

  return {
    async assertKnown(name) {
      if (name === ALL) return;
      const row = await db.selectFrom('runs').select('id').where('id', '=', name).executeTakeFirst();
      if (!row)
        throw new StewardError('NOT_FOUND', `There is no run ${name.slice(0, 100)}.`, { hint: 'See steward runs.' });
    },
    listen(name, { since }, emit, signal) {
      void follow(name === ALL ? undefined : name, since, emit, signal).catch((thrown: unknown) =>
        log.warn('lines of runs not followed any more', { reason: StewardError.from(thrown).message }),
      );
    },
    async recent(since, limit) {
      const rows = await lines(undefined)
        .where('run_logs.at', '>=', since)
        .orderBy('run_logs.id', 'desc')
        .limit(limit)
        .execute();
      return rows.toReversed().map(lineOf);
    },
  };
}

function lineOf(row: { at: Date; level: string; message: string; run_id: string; automation: string }): Line {
  const level: LogLevel =
    row.level === 'warn' ? 'warning' : row.level === 'error' || row.level === 'debug' ? row.level : 'info';
  return { at: row.at, component: row.automation, level, text: row.message, source: `run ${row.run_id}` };
}
