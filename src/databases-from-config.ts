import type { Config } from './config/schema.ts';
import { ms } from './core/duration.ts';
import type { NextInstant } from './core/maintenance.ts';
import type { FitnessSettings } from './core/ports/fitness.ts';
import { Schedule } from './core/schedule.ts';
import type { DatabaseSettings } from './systems/databases/deps.ts';

/** What the configuration says of databases, in the words of who keeps them fit and of who watches them. */

export function fitnessSettings({ databases }: Config): FitnessSettings {
  const { vacuum, reindex, deadRows, changedRows, reclaimable, fragmentation, slow, taskLimit } = databases;
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

/** Whether a window of the configuration is open. */
export function inDatabaseWindow({ databases }: Config, at: Date, next: NextInstant): boolean {
  return databases.windows.some(({ for: length, cron, onCalendar, zone }) => {
    // One that began longer ago than it lasts is over.
    const began = next(Schedule.parse({ cron, onCalendar, zone }), new Date(at.getTime() - ms(length)));
    return began !== undefined && began.getTime() <= at.getTime();
  });
}
