import { sql } from 'kysely';
import { createCatalog } from '../core/catalog.ts';
import type { ScheduleInput } from '../core/schedule.ts';
import { type AnyWorkflow, defineWorkflow } from '../core/workflow.ts';
import { createExecutions } from '../engine/executions.ts';
import { nextInstant } from '../engine/instants.ts';
import { createSchedules, type Schedules } from '../engine/schedules.ts';
import type { EngineTables } from '../engine/tables.ts';
import type { Store } from '../store/store.ts';
import { aChain, countLines } from './engine.ts';
import { memoryLog } from './log.ts';

const MINUTE_MS = 60_000;

/** A chain that does nothing but start by the clock. */
export function byTheClock(name: string, schedule: ScheduleInput): AnyWorkflow {
  return defineWorkflow({
    ...aChain,
    name,
    triggers: [{ kind: 'schedule', schedule }],
    steps: [{ id: 'count', title: 'count', automation: 'count-lines', input: () => ({ file: '/none' }) }],
  });
}

export interface ClockNode {
  readonly schedules: Schedules;
  readonly log: ReturnType<typeof memoryLog>;
  /** Executions that were given to the durable engine. */
  readonly begun: string[];
}

/** The real schedules on a real store, by a clock that only the test moves. */
export function clockWorld(start: Date) {
  let clock = start;
  const now = (): Date => clock;
  return {
    now,
    set(at: Date | string): void {
      clock = new Date(at);
    },
    node(
      store: Store,
      workflows: readonly AnyWorkflow[],
      { nodeId = 'node_a', held = async () => undefined }: { nodeId?: string; held?: HeldBack } = {},
    ): ClockNode {
      const log = memoryLog();
      const begun: string[] = [];
      const catalog = createCatalog({ automations: [countLines], operations: [], workflows });
      const schedules = createSchedules({
        db: store.db.withTables<EngineTables>(),
        now,
        log,
        catalog: () => catalog,
        executions: createExecutions({ store, now, nodeId }),
        held,
        begin: (id) => void begun.push(id),
        cancel: async (id) => {
          await store.db
            .withTables<EngineTables>()
            .updateTable('workflow_executions')
            .set({ cancel: true })
            .where('id', '=', id)
            .execute();
        },
      });
      return { schedules, log, begun };
    },
    /** Lets time pass from instant to instant, and never further than a step; everything that starts ends at once. */
    async pass(
      nodes: readonly ClockNode[],
      until: Date | string,
      store: Store,
      stepMs = 60 * MINUTE_MS,
    ): Promise<void> {
      const end = new Date(until);
      const all = nodes[0]?.schedules.all() ?? [];
      await endAll(store);
      // Each is asked for once: what comes in years, or never, is looked for through all of them.
      let upcoming = all.map(({ schedule }) => ({ schedule, instant: nextInstant(schedule, clock) }));
      while (clock < end) {
        const next = upcoming.flatMap(({ instant }) => instant?.getTime() ?? []);
        clock = new Date(Math.min(end.getTime(), clock.getTime() + stepMs, ...next));
        upcoming = upcoming.map((one) =>
          one.instant && one.instant <= clock ? { ...one, instant: nextInstant(one.schedule, clock) } : one,
        );
        await Promise.all(nodes.map(({ schedules }) => schedules.tick()));
        await endAll(store);
      }
    },
    /** The instants for which executions exist, in order, by workflow. */
    async ran(store: Store, workflow: string): Promise<string[]> {
      const rows = await store.db
        .withTables<EngineTables>()
        .selectFrom('workflow_executions')
        .select(sql<string>`context->>'scheduledFor'`.as('instant'))
        .where('workflow', '=', workflow)
        .execute();
      return rows.map(({ instant }) => instant).toSorted();
    },
  };
}

type HeldBack = (workflow: AnyWorkflow) => Promise<'stopped' | 'paused' | undefined>;

async function endAll(store: Store): Promise<void> {
  await store.db
    .withTables<EngineTables>()
    .updateTable('workflow_executions')
    .set({ status: 'succeeded', finished_at: new Date() })
    .where('finished_at', 'is', null)
    .execute();
}
