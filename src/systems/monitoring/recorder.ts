import { type Kysely, sql } from 'kysely';
import type { ProbeResult } from '../../core/check.ts';
import { StewardError } from '../../core/errors.ts';
import type { EventDraft } from '../../core/event.ts';
import type { Log } from '../../core/log.ts';
import type { ServiceState } from '../../core/check.ts';
import type { Events } from '../../store/events.ts';
import type { CheckState } from './state.ts';
import { type MonitoringTables, RESULT_STATES } from './tables.ts';

/** A change of a service's state, or news without one, to be written together with its event. */
export interface News {
  readonly event: EventDraft;
  readonly status?:
    | {
        readonly resourceId: string;
        readonly node: string;
        readonly state: ServiceState;
        readonly since: Date;
        readonly failures: number;
        readonly message: string;
      }
    | undefined;
}

export interface Recorder {
  result(
    check: { readonly id: string; readonly number: number },
    result: ProbeResult,
    state: CheckState,
    at: Date,
  ): void;
  news(news: News): void;
  /** Resolves when everything recorded so far is stored; rejects where it could not be. */
  flush(): Promise<void>;
  /** Results that were given up because the store was away for too long. */
  dropped(): number;
  stop(): Promise<void>;
}

const FLUSH_AFTER_MS = 1_000;
const FLUSH_AT = 500;
const MAX_BUFFERED = 50_000;
const NEWS_BATCH = 50;
const RETRY_MS = [250, 500, 1_000, 2_000, 5_000];

interface Row {
  readonly number: number;
  readonly at: number;
  readonly result: ProbeResult;
}

/**
 * Writes many results with one statement. While the store is away it keeps them, the oldest are dropped first,
 * and changes of state are never dropped.
 */
export function createRecorder({
  db,
  events,
  log,
}: {
  db: Kysely<MonitoringTables>;
  events: Pick<Events, 'append'>;
  log: Log;
}): Recorder {
  let rows: Row[] = [];
  let states = new Map<string, CheckState>();
  let news: News[] = [];
  let dropped = 0;
  let failures = 0;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;

  const waiting = (): boolean => rows.length > 0 || states.size > 0 || news.length > 0;

  function schedule(delay: number): void {
    if (stopped || timer) return;
    timer = setTimeout(() => {
      timer = undefined;
      void flush().catch(() => undefined);
    }, delay);
  }

  async function flush(): Promise<void> {
    if (writing) {
      await writing;
      // Whoever waited here too may have started the next write.
      await flush();
      return;
    }
    if (!waiting()) return;
    writing = write().finally(() => (writing = undefined));
    await writing;
  }

  async function write(): Promise<void> {
    try {
      // What changed matters more than that all is as it was.
      while (news.length > 0) {
        const batch = news.slice(0, NEWS_BATCH);
        await writeNews(db, events, batch);
        news = news.slice(batch.length);
      }
      if (rows.length > 0 || states.size > 0) {
        const [batch, changed] = [rows, states];
        rows = [];
        states = new Map();
        await writeResults(db, batch, changed).catch((thrown: unknown) => {
          rows = [...batch, ...rows];
          states = new Map([...changed, ...states]);
          shrink();
          throw thrown;
        });
      }
      if (failures > 0) log.info('results are stored again', { dropped });
      failures = 0;
    } catch (thrown) {
      const error = StewardError.from(thrown);
      if (failures === 0)
        log.warn('results could not be stored and are kept', {
          code: error.code,
          reason: error.message,
          waiting: rows.length,
        });
      failures += 1;
      clearTimeout(timer);
      timer = undefined;
      schedule(RETRY_MS[Math.min(failures, RETRY_MS.length) - 1] ?? 5_000);
      throw error;
    }
  }

  function shrink(): void {
    const excess = rows.length - MAX_BUFFERED;
    if (excess <= 0) return;
    dropped += excess;
    rows = rows.slice(excess);
  }

  return {
    result({ id, number }, result, state, at) {
      rows.push({ number, at: at.getTime(), result });
      states.set(id, state);
      if (rows.length > MAX_BUFFERED) shrink();
      if (failures > 0) return;
      if (rows.length >= FLUSH_AT && !writing) void flush().catch(() => undefined);
      else schedule(FLUSH_AFTER_MS);
    },
    news(item) {
      news.push(item);
      if (failures === 0) queueMicrotask(() => void flush().catch(() => undefined));
    },
    flush,
    dropped: () => dropped,
    async stop() {
      stopped = true;
      clearTimeout(timer);
      await flush().catch((thrown: unknown) =>
        log.warn('the last results were not stored', {
          reason: StewardError.from(thrown).message,
          waiting: rows.length,
        }),
      );
    },
  };
}

async function writeNews(
  db: Kysely<MonitoringTables>,
  events: Pick<Events, 'append'>,
  batch: readonly News[],
): Promise<void> {
  await db.transaction().execute(async (trx) => {
    for (const { event, status } of batch) {
      if (status) {
        const { resourceId, node, state, since, failures, message } = status;
        await sql`with changed as (
            insert into service_statuses (resource_id, node, state, since, consecutive_failures) values (${resourceId}, ${node}, ${state}, ${since}, ${failures})
            on conflict (resource_id) do update set node = excluded.node, state = excluded.state, since = excluded.since, consecutive_failures = excluded.consecutive_failures)
          insert into service_transitions (resource_id, at, state, message) values (${resourceId}, ${since}, ${state}, ${message})`.execute(
          trx,
        );
      }
      await events.append(trx, event);
    }
  });
}

async function writeResults(
  db: Kysely<MonitoringTables>,
  rows: readonly Row[],
  states: ReadonlyMap<string, CheckState>,
): Promise<void> {
  const numbers: number[] = [];
  const times: number[] = [];
  const results: number[] = [];
  const latencies: number[] = [];
  const messages: (string | null)[] = [];
  for (const { number, at, result } of rows) {
    numbers.push(number);
    times.push(at / 1_000);
    results.push(RESULT_STATES.indexOf(result.state));
    latencies.push(result.latencyMs);
    // That all is well needs no words, and most rows say that.
    messages.push(result.state === 'up' ? null : result.message);
  }
  const ids: string[] = [];
  const names: ServiceState[] = [];
  const since: number[] = [];
  const failures: number[] = [];
  const successes: number[] = [];
  const failedAt: (number | null)[] = [];
  const at: number[] = [];
  const last: string[] = [];
  const recent: string[] = [];
  const flapping: boolean[] = [];
  for (const [id, state] of states) {
    ids.push(id);
    names.push(state.state);
    since.push(state.since.getTime() / 1_000);
    failures.push(state.failures);
    successes.push(Math.min(state.successes, 1_000_000));
    failedAt.push(state.failedAt ? state.failedAt.getTime() / 1_000 : null);
    at.push((state.at ?? state.since).getTime() / 1_000);
    last.push(JSON.stringify(state.last ?? null));
    recent.push(state.recent);
    flapping.push(state.flapping);
  }
  await sql`with stored as (
      insert into check_results (check_number, at, state, latency_ms, message)
      select number, to_timestamp(at), state, latency, message
      from unnest(${numbers}::int[], ${times}::float8[], ${results}::smallint[], ${latencies}::real[], ${messages}::text[]) as r (number, at, state, latency, message))
    insert into check_states (check_id, state, since, failures, successes, failed_at, at, last, recent, flapping)
    select s.id, s.state, to_timestamp(s.since), s.failures, s.successes, to_timestamp(s.failed_at), to_timestamp(s.at), s.last::jsonb, s.recent, s.flapping
    from unnest(${ids}::text[], ${names}::text[], ${since}::float8[], ${failures}::int[], ${successes}::int[], ${failedAt}::float8[], ${at}::float8[], ${last}::text[], ${recent}::text[], ${flapping}::bool[])
      as s (id, state, since, failures, successes, failed_at, at, last, recent, flapping)
    join checks c on c.id = s.id
    on conflict (check_id) do update set state = excluded.state, since = excluded.since, failures = excluded.failures,
      successes = excluded.successes, failed_at = excluded.failed_at, at = excluded.at, last = excluded.last,
      recent = excluded.recent, flapping = excluded.flapping`.execute(db);
}
