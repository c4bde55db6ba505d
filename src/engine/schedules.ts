import type { Kysely, Transaction } from 'kysely';
import { systemActor } from '../core/actor.ts';
import type { Catalog } from '../core/catalog.ts';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { JsonObject } from '../core/json.ts';
import type { Schedule } from '../core/schedule.ts';
import type { AnyWorkflow } from '../core/workflow.ts';
import { ms } from '../core/duration.ts';
import type { Executions } from './executions.ts';
import { isDecided, lockSchedule, recordFiring, recordMissed, registerSchedule, stepBack } from './firings.ts';
import { dueInstants, jitterOf, nextInstant, readSchedule } from './instants.ts';
import type { EngineTables } from './tables.ts';
import type { FiringOutcome } from './tables-schedules.ts';

/** An instant that is older than this when it is noticed was missed. */
const TOLERANCE_MS = 60_000;
/** Nodes' clocks differ a little; one that is further behind what was seen already was set back. */
const SET_BACK_MS = 5 * 60_000;
const TICK_MS = 500;

type Trx = Transaction<EngineTables>;

export interface WorkflowSchedule {
  readonly id: string;
  readonly workflow: AnyWorkflow;
  readonly schedule: Schedule;
  /** What the workflow is told when this starts it. */
  readonly context: JsonObject;
}

interface SchedulesDeps {
  readonly db: Kysely<EngineTables>;
  readonly now: () => Date;
  readonly log: Log;
  readonly catalog: () => Catalog;
  readonly executions: Executions;
  /** Why it may not begin now: the instant is left out then. */
  readonly held: (workflow: AnyWorkflow) => Promise<'stopped' | 'paused' | undefined>;
  /** Gives an execution that was just stored to whoever works on it. */
  readonly begin: (executionId: string) => void;
  /** Tells an execution to end. */
  readonly cancel: (executionId: string) => Promise<void>;
}

export interface Schedules {
  all(): readonly WorkflowSchedule[];
  start(): Promise<void>;
  stop(): void;
  /** Starts what is due; every node may ask, and one execution results. */
  tick(): Promise<void>;
}

/** Where a schedule stands, so that most looks ask nobody: until when it was looked after, and what comes next. */
interface Known {
  readonly text: string;
  readonly since: Date;
  readonly next: Date | undefined;
}

/** The schedules of workflows, for all nodes together. */
export function createSchedules({ db, now, log, catalog, executions, held, begin, cancel }: SchedulesDeps): Schedules {
  const seen = new Map<string, Known>();
  const broken = new Set<string>();
  let timer: NodeJS.Timeout | undefined;
  let busy = false;

  function all(): WorkflowSchedule[] {
    return [...catalog().workflows.values()].flatMap((workflow) =>
      workflow.triggers.flatMap((trigger, index) => {
        if (trigger.kind !== 'schedule') return [];
        const schedule = readable(`${workflow.name}:${index}`, trigger.schedule);
        return schedule
          ? [{ id: `${workflow.name}:${index}`, workflow, schedule, context: trigger.context ?? {} }]
          : [];
      }),
    );
  }

  const read = new WeakMap<object, Schedule>();
  /** What cannot be read, or never comes again, keeps nothing else from starting. */
  function readable(id: string, input: object): Schedule | undefined {
    const known = read.get(input);
    if (known) return known;
    try {
      const schedule = readSchedule(input, now());
      read.set(input, schedule);
      return schedule;
    } catch (thrown) {
      if (!broken.has(id)) log.error('schedule left out', { schedule: id, reason: StewardError.from(thrown).message });
      broken.add(id);
      return undefined;
    }
  }

  function remember(one: WorkflowSchedule, since: Date): Known {
    const known = { text: JSON.stringify(one.schedule), since, next: nextInstant(one.schedule, since) };
    seen.set(one.id, known);
    return known;
  }

  async function whereItStands(one: WorkflowSchedule): Promise<Known> {
    const known = seen.get(one.id);
    if (known && known.text === JSON.stringify(one.schedule)) return known;
    const { id, workflow, schedule } = one;
    const since = await db
      .transaction()
      .execute(async (trx) => await registerSchedule(trx, { id, workflow: workflow.name, schedule }, now()));
    return remember(one, since);
  }

  /**
   * A run of it that somebody started by hand, that another node took over or that waits for a person counts as well.
   * Another schedule of the same workflow has turns of its own.
   */
  async function overlaps({ id, workflow, schedule }: WorkflowSchedule): Promise<boolean> {
    if (schedule.overlap === 'queue') return false;
    const running = (await executions.running(workflow.name)).filter(
      ({ causation, trigger }) => trigger !== 'schedule' || causation.scheduleId === id,
    );
    if (schedule.overlap === 'skip') return running.length > 0;
    for (const old of running) await cancel(old.id);
    return false;
  }

  async function start(
    trx: Trx,
    { id, workflow, context }: WorkflowSchedule,
    instant: Date,
  ): Promise<{ id: string; fresh: boolean }> {
    const at = instant.toISOString();
    const { execution, fresh } = await executions.insert(
      {
        workflow,
        context: { ...context, scheduledFor: at },
        trigger: 'schedule',
        actor: scheduleActor,
        causation: { scheduleId: id },
        idempotencyKey: `schedule:${id}:${at}`,
      },
      trx,
    );
    return { id: execution.id, fresh };
  }

  async function outcomeOf(one: WorkflowSchedule): Promise<FiringOutcome> {
    return (await held(one.workflow)) ?? ((await overlaps(one)) ? 'overlap' : 'fired');
  }

  /** All that is due, decided under the lock of its row and on record with what it starts. */
  async function decide(trx: Trx, one: WorkflowSchedule, at: Date): Promise<{ begun: string[]; until: Date }> {
    const { id, schedule } = one;
    let until = (await lockSchedule(trx, id)) ?? at;
    const begun: string[] = [];
    const { start: due, missed } = dueInstants(schedule, until, at, TOLERANCE_MS);
    await recordMissed(trx, id, missed, at);
    for (const instant of due) {
      if (instant.getTime() + jitterOf(schedule, id, instant) > at.getTime()) break;
      until = instant;
      if (await isDecided(trx, id, instant)) continue;
      const outcome = await outcomeOf(one);
      const started = outcome === 'fired' ? await start(trx, one, instant) : undefined;
      const execution = started?.id;
      if (started?.fresh) begun.push(started.id);
      if (!started)
        log.info('scheduled start left out', { schedule: id, instant: instant.toISOString(), why: outcome });
      await recordFiring(trx, { schedule: id, instant, outcome, execution, at });
      await trx
        .updateTable('schedules')
        .set({ last_instant: instant, ...(execution !== undefined && { last_execution: execution }) })
        .where('id', '=', id)
        .execute();
    }
    // What was missed and is not made up for is behind us too.
    const behind = new Date(at.getTime() - TOLERANCE_MS - ms(schedule.jitter));
    if (until < behind) until = behind;
    await trx.updateTable('schedules').set({ seen_until: until }).where('id', '=', id).execute();
    return { begun, until };
  }

  async function look(one: WorkflowSchedule): Promise<void> {
    const at = now();
    const { since, next } = await whereItStands(one);
    if (since.getTime() > at.getTime() + SET_BACK_MS) {
      log.warn('the clock was set back', { schedule: one.id, to: at.toISOString() });
      await db.transaction().execute(async (trx) => {
        const until = await lockSchedule(trx, one.id);
        if (until && until.getTime() > at.getTime() + SET_BACK_MS) await stepBack(trx, one.id, one.schedule, at);
      });
      remember(one, at);
      return;
    }
    if (!next || next.getTime() + jitterOf(one.schedule, one.id, next) > at.getTime()) return;
    const { begun, until } = await db.transaction().execute((trx) => decide(trx, one, at));
    remember(one, until);
    // Whoever dies before this finds them stored and not begun when it is back.
    for (const id of begun) begin(id);
  }

  async function tick(): Promise<void> {
    if (busy) return;
    busy = true;
    try {
      for (const one of all()) {
        await look(one).catch((thrown: unknown) => {
          const { code, message } = StewardError.from(thrown);
          log[code === 'STORE_UNAVAILABLE' ? 'debug' : 'warn']('schedule will be looked at again', {
            schedule: one.id,
            reason: message,
          });
        });
      }
    } finally {
      busy = false;
    }
  }

  return {
    all,
    async start() {
      await tick();
      timer = setInterval(() => void tick(), TICK_MS);
    },
    stop: () => clearInterval(timer),
    tick,
  };
}

export const scheduleActor = systemActor('schedule');
