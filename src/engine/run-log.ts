import type { Kysely } from 'kysely';
import type { Json, JsonObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import type { EngineTables } from './tables.ts';

const MOST_LINES = 2_000;
const LONGEST_MESSAGE = 4_000;
const FLUSH_AFTER_MS = 1_000;

export interface RunLog {
  readonly log: Log;
  flush(): Promise<void>;
}

/** What an automation says while it runs: into Steward's log, and with the run, up to a limit that says so itself. */
export function createRunLog({
  db,
  runId,
  now,
  clean,
  log,
}: {
  db: Kysely<EngineTables>;
  runId: string;
  now: () => Date;
  clean: (value: unknown) => Json;
  log: Log;
}): RunLog {
  let kept = 0;
  let waiting: { at: Date; level: string; message: string; fields: string | null }[] = [];
  let timer: NodeJS.Timeout | undefined;

  async function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    const lines = waiting;
    if (lines.length === 0) return;
    waiting = [];
    await db
      .insertInto('run_logs')
      .values(lines.map((line) => ({ ...line, run_id: runId })))
      .execute()
      .catch((thrown: unknown) => log.debug('run log not kept', { runId, reason: (thrown as Error).message }));
  }

  const at =
    (level: keyof Log): Log[keyof Log] =>
    (message, fields) => {
      const safe = fields === undefined ? undefined : (clean(fields) as JsonObject);
      log[level](message, { ...safe, runId });
      kept += 1;
      if (kept > MOST_LINES) return;
      const text =
        kept === MOST_LINES
          ? 'further lines of this run are not kept'
          : String(clean(message)).slice(0, LONGEST_MESSAGE);
      waiting.push({ at: now(), level, message: text, fields: safe === undefined ? null : JSON.stringify(safe) });
      timer ??= setTimeout(() => void flush(), FLUSH_AFTER_MS);
    };

  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, flush };
}
