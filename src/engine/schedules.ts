import type { Kysely } from 'kysely';
import { systemActor } from '../core/actor.ts';
import type { Catalog } from '../core/catalog.ts';
import { StewardError } from '../core/errors.ts';
import { canonicalJson, type JsonObject } from '../core/json.ts';
import type { Log } from '../core/log.ts';
import { Schedule } from '../core/schedule.ts';
import type { AnyWorkflow } from '../core/workflow.ts';
import type { Executions } from './executions.ts';
import { dueInstants, jitterOf, nextInstant, readSchedule } from './instants.ts';
import type { EngineTables } from './tables.ts';

/** An instant that is older than this when it is noticed was missed. */
const TOLERANCE_MS = 60_000;
const TICK_MS = 500;

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
  /** Whether it may not begin now: the instant is skipped then. */
  readonly held: (workflow: AnyWorkflow) => Promise<boolean>;
  /** Starts the workflow once for this key, whoever asks. */
  readonly fire: (schedule: WorkflowSchedule, instant: Date) => Promise<string>;
}

export interface Schedules {
  all(): readonly WorkflowSchedule[];
  start(): Promise<void>;
  stop(): void;
  /** Starts what is due; every node may ask, and one execution results. */
  tick(): Promise<void>;
}

/** The schedules of workflows, for all nodes together. */
export function createSchedules({ db, now, log, catalog, executions, held, fire }: SchedulesDeps): Schedules {
  const seen = new Map<string, Date>();
  let timer: NodeJS.Timeout | undefined;
  let busy = false;

  function all(): WorkflowSchedule[] {
    return [...catalog().workflows.values()].flatMap((workflow) =>
      workflow.triggers.flatMap((trigger, index) =>
        trigger.kind === 'schedule'
          ? [
              {
                id: `${workflow.name}:${index}`,
                workflow,
                schedule: Schedule.parse(trigger.schedule),
                context: trigger.context ?? {},
              },
            ]
          : [],
      ),
    );
  }

  /** Since when this schedule is looked after. One that is new, or changed, makes up for nothing. */
  async function seenUntil({ id, workflow, schedule }: WorkflowSchedule): Promise<Date> {
    const known = seen.get(id);
    if (known) return known;
    const definition = schedule as unknown as JsonObject;
    const row = await db.selectFrom('schedules').selectAll().where('id', '=', id).executeTakeFirst();
    const since = row && canonicalJson(row.definition) === canonicalJson(definition) ? row.seen_until : now();
    const values = { workflow: workflow.name, definition: JSON.stringify(definition), seen_until: since };
    await db
      .insertInto('schedules')
      .values({ id, ...values })
      .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
      .execute();
    seen.set(id, since);
    return since;
  }

  async function overlaps({ id, workflow, schedule }: WorkflowSchedule): Promise<boolean> {
    if (schedule.overlap === 'queue') return false;
    const running = (await executions.running(workflow.name)).filter(({ causation }) => causation.scheduleId === id);
    if (schedule.overlap === 'skip') return running.length > 0;
    for (const old of running) await executions.requestCancel(old.id);
    return false;
  }

  async function look(one: WorkflowSchedule): Promise<void> {
    const at = now();
    const since = await seenUntil(one);
    const next = nextInstant(one.schedule, since);
    if (!next || next > at) return;
    for (const instant of dueInstants(one.schedule, since, at, TOLERANCE_MS).start) {
      if (instant.getTime() + jitterOf(one.schedule, one.id, instant) > at.getTime()) return;
      const told = { schedule: one.id, instant: instant.toISOString() };
      let execution: string | undefined;
      if (await held(one.workflow)) log.info('scheduled start skipped: steward is stopped', told);
      else if (await overlaps(one)) log.info('scheduled start skipped: the last one still runs', told);
      else execution = await fire(one, instant);
      await advance(one.id, instant, {
        last_instant: instant,
        ...(execution !== undefined && { last_execution: execution }),
      });
    }
    // What was missed and is not made up for is behind us too.
    const behind = new Date(at.getTime() - TOLERANCE_MS);
    if ((seen.get(one.id) ?? since) < behind) await advance(one.id, behind, {});
  }

  async function advance(
    id: string,
    until: Date,
    more: { last_instant?: Date; last_execution?: string },
  ): Promise<void> {
    await db
      .updateTable('schedules')
      .set({ seen_until: until, ...more })
      .where('id', '=', id)
      .where('seen_until', '<', until)
      .execute();
    seen.set(id, until);
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
      for (const { schedule } of all()) readSchedule(schedule, now());
      await tick();
      timer = setInterval(() => void tick(), TICK_MS);
    },
    stop: () => clearInterval(timer),
    tick,
  };
}

export const scheduleActor = systemActor('schedule');
