import type { Kysely } from 'kysely';
import type { Log } from '../core/log.ts';
import type { ProcessIdentity } from '../core/ports/programs.ts';
import type { Persist } from './persist.ts';
import type { EngineTables } from './tables.ts';

/** The run that ports act for. An adapter that starts a program names the child here before the program does anything. */
export interface RunScope {
  readonly runId: string;
  /** Aborted when the step is to end that the ports act for. */
  readonly signal?: AbortSignal | undefined;
  /** Heavy work that nobody waits for: behind whatever else wants the CPU. */
  readonly background?: boolean | undefined;
  recordChild(identity: ProcessIdentity, title: string): Promise<void>;
  childEnded(identity: ProcessIdentity): Promise<void>;
}

/** Kills what is left of the process group, where it is this very process; false where it is gone or another one by now. */
export type KillGroup = (identity: ProcessIdentity) => Promise<boolean>;

export interface Children {
  scope(runId: string, manner?: Pick<RunScope, 'signal' | 'background'>): RunScope;
  /** Ends what a Steward that died left running: of one run, or of the whole node. */
  endLeftovers(runId?: string): Promise<number>;
}

export function createChildren({
  db,
  nodeId,
  now,
  log,
  persist,
  killGroup,
}: {
  db: Kysely<EngineTables>;
  nodeId: string;
  now: () => Date;
  log: Log;
  persist: Persist;
  killGroup: KillGroup;
}): Children {
  async function forget({ pid, startTicks, bootId }: ProcessIdentity): Promise<void> {
    await db
      .deleteFrom('run_children')
      .where('boot_id', '=', bootId)
      .where('pid', '=', pid)
      .where('start_ticks', '=', startTicks)
      .execute();
  }

  return {
    scope: (runId, manner) => ({
      runId,
      ...manner,
      async recordChild({ pid, startTicks, bootId }, title) {
        const row = {
          run_id: runId,
          node: nodeId,
          pid,
          start_ticks: startTicks,
          boot_id: bootId,
          title: title.slice(0, 200),
          started_at: now(),
        };
        await persist(() =>
          db
            .insertInto('run_children')
            .values(row)
            .onConflict((conflict) => conflict.doNothing())
            .execute(),
        );
      },
      childEnded: (identity) => persist(() => forget(identity)),
    }),
    async endLeftovers(runId) {
      const rows = await db
        .selectFrom('run_children')
        .selectAll()
        .where('node', '=', nodeId)
        .$if(runId !== undefined, (query) => query.where('run_id', '=', runId ?? ''))
        .execute();
      let ended = 0;
      for (const row of rows) {
        const identity = { pid: row.pid, startTicks: row.start_ticks, bootId: row.boot_id };
        if (await killGroup(identity)) {
          ended += 1;
          log.warn('process of an interrupted run ended', { runId: row.run_id, pid: row.pid, title: row.title });
        }
        await forget(identity);
      }
      return ended;
    },
  };
}
