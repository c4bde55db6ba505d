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
  /** Ends what a Steward that died left running: of some runs, or of the whole node. */
  endLeftovers(runIds?: readonly string[]): Promise<number>;
  /** Ends what this very process has started for a run, or for all of them, without asking the store, which may be away. */
  endOwn(runId?: string): Promise<number>;
}

interface Own {
  readonly runId: string;
  readonly identity: ProcessIdentity;
  readonly title: string;
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
  const own = new Map<string, Own>();
  const keyOf = ({ pid, startTicks, bootId }: ProcessIdentity): string => `${bootId}:${pid}:${startTicks}`;

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
      async recordChild(identity, title) {
        const { pid, startTicks, bootId } = identity;
        own.set(keyOf(identity), { runId, identity, title });
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
      async childEnded(identity) {
        own.delete(keyOf(identity));
        await persist(() => forget(identity));
      },
    }),
    async endLeftovers(runIds) {
      const rows = await db
        .selectFrom('run_children')
        .selectAll()
        .where('node', '=', nodeId)
        .$if(runIds !== undefined, (query) => query.where('run_id', 'in', [...(runIds ?? []), '']))
        .execute();
      let ended = 0;
      for (const row of rows) {
        const identity = { pid: row.pid, startTicks: row.start_ticks, bootId: row.boot_id };
        if (await killGroup(identity)) {
          ended += 1;
          log.warn('process of an interrupted run ended', { runId: row.run_id, pid: row.pid, title: row.title });
        }
        own.delete(keyOf(identity));
        await forget(identity);
      }
      return ended;
    },
    async endOwn(runId) {
      let ended = 0;
      for (const child of own.values()) {
        if (runId !== undefined && child.runId !== runId) continue;
        if (!(await killGroup(child.identity))) continue;
        ended += 1;
        log.warn('process of a run that is let go of ended', {
          runId: child.runId,
          pid: child.identity.pid,
          title: child.title,
        });
      }
      return ended;
    },
  };
}
