import type { Kysely } from 'kysely';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { redactText } from '../core/redact.ts';
import type { Schedule, SystemJob } from '../core/schedule.ts';
import { dueInstants, jitterOf, nextInstant, readSchedule } from './instants.ts';
import type { EngineTables } from './tables.ts';

/** A clock that was set, or a machine that slept, is noticed after this long. */
const LONGEST_NAP_MS = 30_000;
const RECORD_EVERY_MS = 30_000;

export interface JobState {
  readonly job: SystemJob;
  readonly schedule: Schedule;
  last?:
    | {
        startedAt: Date;
        durationMs?: number | undefined;
        outcome?: 'succeeded' | 'failed' | undefined;
        error?: string | undefined;
      }
    | undefined;
}

export interface Jobs {
  register(jobs: readonly SystemJob[]): void;
  states(): readonly JobState[];
  start(): Promise<void>;
  /** Aborts what runs and waits for it. */
  stop(): Promise<void>;
}

interface JobsDeps {
  readonly db: Kysely<EngineTables>;
  readonly now: () => Date;
  readonly log: Log;
  readonly nodeId: string;
  /** Whether somebody paused it. */
  readonly isPaused: (job: string) => Promise<boolean>;
}

/** The systems' own jobs, on this node. None overlaps itself; one that throws is recorded and comes again at its time. */
export function createJobs({ db, now, log, nodeId, isPaused }: JobsDeps): Jobs {
  const states = new Map<string, JobState>();
  const stopping = new AbortController();
  const loops = new Set<Promise<void>>();
  let started = false;

  async function loop(state: JobState): Promise<void> {
    const { job, schedule } = state;
    const recorded = await recall(state);
    // What was missed while Steward was down: the job says whether it wants to make up for it.
    let seen = recorded && schedule.catchUp !== 'skip' ? recorded : now();
    let recordedAt = -Infinity;
    while (!stopping.signal.aborted) {
      const next = nextInstant(schedule, seen);
      if (!next) return log.warn('job never comes again', { job: job.name });
      if (!(await sleepUntil(next.getTime() + jitterOf(schedule, job.name, next)))) return;
      if (await isPaused(job.name)) {
        seen = next;
        continue;
      }
      await once(state);
      // Instants that passed while it ran are not made up for; one of them is, where it queues.
      const passed = dueInstants({ ...schedule, catchUp: 'latest' }, next, now(), 0).start.at(-1);
      seen = passed === undefined ? next : schedule.overlap === 'queue' ? new Date(passed.getTime() - 1) : passed;
      const important = state.last?.outcome === 'failed' || (state.last?.durationMs ?? 0) > 1_000;
      if (important || performance.now() - recordedAt > RECORD_EVERY_MS) {
        recordedAt = performance.now();
        await record(state);
      }
    }
  }

  async function once(state: JobState): Promise<void> {
    const startedAt = now();
    const began = performance.now();
    state.last = { startedAt };
    try {
      await state.job.run({ signal: stopping.signal, now: startedAt });
      state.last = { startedAt, durationMs: performance.now() - began, outcome: 'succeeded' };
    } catch (thrown) {
      const error = StewardError.from(thrown);
      if (stopping.signal.aborted) return;
      state.last = {
        startedAt,
        durationMs: performance.now() - began,
        outcome: 'failed',
        error: redactText(error.message),
      };
      log.error('job failed', { job: state.job.name, code: error.code, reason: error.message });
    }
  }

  async function sleepUntil(instant: number): Promise<boolean> {
    for (;;) {
      if (stopping.signal.aborted) return false;
      const left = instant - now().getTime();
      if (left <= 0) return true;
      const woken = Promise.withResolvers<void>();
      const timer = setTimeout(woken.resolve, Math.min(left, LONGEST_NAP_MS));
      const wake = (): void => woken.resolve();
      stopping.signal.addEventListener('abort', wake, { once: true });
      await woken.promise;
      clearTimeout(timer);
      stopping.signal.removeEventListener('abort', wake);
    }
  }

  async function recall({ job }: JobState): Promise<Date | undefined> {
    const row = await db
      .selectFrom('job_runs')
      .select('started_at')
      .where('node', '=', nodeId)
      .where('job', '=', job.name)
      .executeTakeFirst()
      .catch(() => undefined);
    return row?.started_at;
  }

  async function record({ job, last }: JobState): Promise<void> {
    if (!last) return;
    const values = {
      started_at: last.startedAt,
      finished_at: last.durationMs === undefined ? null : new Date(last.startedAt.getTime() + last.durationMs),
      duration_ms: last.durationMs === undefined ? null : Math.round(last.durationMs),
      outcome: last.outcome ?? null,
      error: last.error === undefined ? null : JSON.stringify({ code: 'INTERNAL', message: last.error }),
    };
    await db
      .insertInto('job_runs')
      .values({ node: nodeId, job: job.name, ...values })
      .onConflict((conflict) => conflict.columns(['node', 'job']).doUpdateSet(values))
      .execute()
      .catch((thrown: unknown) => log.debug('job not recorded', { job: job.name, reason: (thrown as Error).message }));
  }

  function run(state: JobState): void {
    const running = loop(state)
      .catch((thrown: unknown) => log.error('job stopped', { job: state.job.name, reason: (thrown as Error).message }))
      .finally(() => loops.delete(running));
    loops.add(running);
  }

  return {
    register(jobs) {
      for (const job of jobs) {
        if (states.has(job.name)) throw new Error(`Two jobs are called '${job.name}'.`);
        const schedule = readSchedule(job.schedule, now());
        const state: JobState = { job, schedule };
        states.set(job.name, state);
        if (started) run(state);
      }
    },
    states: () => [...states.values()],
    async start() {
      started = true;
      for (const state of states.values()) run(state);
    },
    async stop() {
      stopping.abort(new StewardError('CANCELED', 'Steward stops.'));
      await Promise.all(loops);
      for (const state of states.values()) await record(state);
    },
  };
}
