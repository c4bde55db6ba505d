import { z } from 'zod';

/** When copies are made by themselves. Maintenance of databases follows the full backup, whenever that is. */
export const BackupSchedule = z.enum(['every-6h', 'daily-02:00', 'daily-03:00', 'before-maintenance']);
export type BackupSchedule = z.output<typeof BackupSchedule>;

export interface Cadence {
  /** When databases alone are copied, in UTC; with `everything` they are, too. */
  readonly databases?: string | undefined;
  readonly everything: string;
  /** How old the newest copy of a database may be where its source says nothing. */
  readonly databasesEveryMs: number;
  readonly says: string;
}

const HOUR_MS = 3_600_000;
const AT_THREE = {
  everything: '0 3 * * *',
  databasesEveryMs: 24 * HOUR_MS,
  says: 'everything is copied every day at 03:00 UTC, and databases are maintained after it',
} as const;

export const CADENCES: Readonly<Record<BackupSchedule, Cadence>> = {
  'every-6h': {
    databases: '0 */6 * * *',
    everything: '0 3 * * *',
    databasesEveryMs: 6 * HOUR_MS,
    says: 'databases are copied every 6 hours (00:00, 06:00, 12:00, 18:00 UTC), and everything every day at 03:00 UTC',
  },
  'daily-02:00': {
    everything: '0 2 * * *',
    databasesEveryMs: 24 * HOUR_MS,
    says: 'everything is copied every day at 02:00 UTC',
  },
  'daily-03:00': AT_THREE,
  'before-maintenance': AT_THREE,
};
