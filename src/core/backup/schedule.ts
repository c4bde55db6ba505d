import { z } from 'zod';

/** When copies are made by themselves. Maintenance of databases follows the full backup, whenever that is. */
export const BackupSchedule = z.enum([
  'every-6h',
  'hourly',
  'daily',
  'weekly',
  'daily-02:00',
  'daily-03:00',
  'before-maintenance',
]);
export type BackupSchedule = z.output<typeof BackupSchedule>;

export interface Cadence {
  /** When databases alone are copied, in UTC; with `everything` they are, too. */
  readonly databases?: string | undefined;
  readonly everything: string;
  /** How old the newest copy may be where its source says nothing: of a database, and of all else. */
  readonly databasesEveryMs: number;
  readonly restEveryMs: number;
  readonly says: string;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const AT_THREE = {
  everything: '0 3 * * *',
  databasesEveryMs: DAY_MS,
  restEveryMs: DAY_MS,
  says: 'everything is copied every day at 03:00 UTC, and databases are maintained after it',
} as const;

export const CADENCES: Readonly<Record<BackupSchedule, Cadence>> = {
  'every-6h': {
    databases: '0 */6 * * *',
    everything: '0 3 * * *',
    databasesEveryMs: 6 * HOUR_MS,
    restEveryMs: DAY_MS,
    says: 'databases are copied every 6 hours (00:00, 06:00, 12:00, 18:00 UTC), and everything every day at 03:00 UTC',
  },
  hourly: {
    // At 03:00 they are copied with everything.
    databases: '0 0-2,4-23 * * *',
    everything: '0 3 * * *',
    // One copy waits for what else works on copies, such as a long drill: only the second that is not there is missed.
    databasesEveryMs: 2 * HOUR_MS,
    restEveryMs: DAY_MS,
    says: 'databases are copied every hour, and everything every day at 03:00 UTC',
  },
  daily: AT_THREE,
  weekly: {
    everything: '0 3 * * 0',
    databasesEveryMs: 7 * DAY_MS,
    restEveryMs: 7 * DAY_MS,
    says: 'everything is copied every Sunday at 03:00 UTC, and databases are maintained after it',
  },
  'daily-02:00': {
    everything: '0 2 * * *',
    databasesEveryMs: DAY_MS,
    restEveryMs: DAY_MS,
    says: 'everything is copied every day at 02:00 UTC',
  },
  'daily-03:00': AT_THREE,
  'before-maintenance': AT_THREE,
};
