import type { Config } from '../config/schema.ts';
import type { ExpiringTable } from '../core/database/expiry.ts';
import { ms } from '../core/duration.ts';
import type { NextInstant } from '../core/maintenance.ts';
import type { FitnessSettings } from '../core/ports/fitness.ts';
import { Schedule } from '../core/schedule.ts';
import type { AnyWorkflow } from '../core/workflow.ts';
import type { DatabaseSettings } from '../systems/databases/deps.ts';

/** What the configuration says of databases, in the words of who keeps them fit and of who watches them. */

export function fitnessSettings({ databases }: Config): FitnessSettings {
  const {
    vacuum,
    reindex,
    deadRows,
    changedRows,
    reclaimable,
    fragmentation,
    slow,
    taskLimit,
    lockTimeout,
    divergence,
  } = databases;
  return {
    rules: {
      vacuumMs: ms(vacuum),
      reindexMs: ms(reindex),
      deadShare: deadRows / 100,
      changedShare: changedRows / 100,
      reclaimableShare: reclaimable / 100,
      fragmentation,
    },
    slowMs: ms(slow),
    taskMs: ms(taskLimit),
    lockMs: ms(lockTimeout),
    divergence: { times: divergence.times, leastMs: ms(divergence.atLeast) },
  };
}

export function databaseSettings({ databases }: Config): DatabaseSettings {
  const { every, slow, connections, wraparound, longTransaction, lag, growth, unused } = databases;
  return {
    everyMs: ms(every),
    slowMs: ms(slow),
    connections: connections / 100,
    wraparound: wraparound / 100,
    longTransactionMs: ms(longTransaction),
    lagMs: ms(lag),
    growth,
    unusedMs: ms(unused),
  };
}

export function expiringTables({ databases: { sessions } }: Config): ExpiringTable[] {
  return sessions.map(({ after, ...table }) => ({ ...table, afterMs: ms(after) }));
}

/** The window of the configuration that is open at this instant; of several that which began first. */
export function openDatabaseWindow(
  { databases }: Config,
  at: Date,
  next: NextInstant,
): { readonly from: Date; readonly until: Date } | undefined {
  const open = databases.windows.flatMap(({ for: length, ...times }) => {
    // One that began longer ago than it lasts is over.
    const from = next(Schedule.parse(times), new Date(at.getTime() - ms(length)));
    return from && from <= at ? [{ from, until: new Date(from.getTime() + ms(length)) }] : [];
  });
  return open.toSorted((a, b) => a.from.getTime() - b.from.getTime())[0];
}

/** When the next one begins; undefined where none ever does. */
export function nextDatabaseWindow({ databases }: Config, at: Date, next: NextInstant): Date | undefined {
  const times = databases.windows.flatMap(({ for: _, ...times }) => next(Schedule.parse(times), at) ?? []);
  return times.toSorted((a, b) => a.getTime() - b.getTime())[0];
}

/** When workflows by themselves do what only a window allows, if one is open then. */
export function heavyTimes(workflows: Iterable<Pick<AnyWorkflow, 'steps' | 'triggers'>>): Schedule[] {
  return [...workflows]
    .filter(({ steps }) =>
      steps.some(
        ({ automation, input }) =>
          automation === 'maintain-database' && typeof input !== 'function' && input?.['optimize'] !== 'never',
      ),
    )
    .flatMap(({ triggers }) =>
      triggers.flatMap((trigger) => (trigger.kind === 'schedule' ? [Schedule.parse(trigger.schedule)] : [])),
    );
}
