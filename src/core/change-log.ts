import { z } from 'zod';

/** Something that was different afterwards: what people ask for first when something broke. */
export const ChangeEntry = z.object({
  at: z.coerce.date(),
  kind: z.enum([
    'run',
    'resource',
    'service',
    'configuration',
    'package',
    'node',
    'mode',
    'maintenance',
    'schedule',
    'metric',
  ]),
  title: z.string(),
  by: z.string().optional().describe('Who, where somebody did.'),
  resourceId: z.string().optional(),
  runId: z.string().optional(),
});
export type ChangeEntry = z.output<typeof ChangeEntry>;

export interface ChangesWanted {
  readonly from: Date;
  readonly until: Date;
  /** Of these resources, and what is about no single one. */
  readonly resources?: readonly string[] | undefined;
  /** The newest so many. */
  readonly limit: number;
}

/** One timeline of all that changed, the oldest first. */
export interface ChangeLog {
  between(wanted: ChangesWanted): Promise<ChangeEntry[]>;
}

/** Software of the machine that was put in, taken out or brought to another version. */
export interface PackageChange {
  readonly at: Date;
  readonly name: string;
  readonly before?: string | undefined;
  readonly after?: string | undefined;
}
export type PackageHistory = (from: Date, until: Date) => Promise<readonly PackageChange[]>;
