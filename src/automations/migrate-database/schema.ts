import { z } from 'zod';
import { Duration } from '../../core/duration.ts';
import { SetInput } from '../../core/migration/pick.ts';

export const Input = SetInput.extend({
  direction: z
    .enum(['up', 'down'])
    .default('up')
    .describe('up applies what is pending; down takes back, by default the last one.'),
  to: z
    .string()
    .regex(/^\d+([._]\d+)*$/, 'expected a version such as 0003 or 1.2')
    .optional()
    .describe('The version that is the last applied one afterwards; 0 takes all back.'),
  rehearse: z
    .boolean()
    .default(true)
    .describe(
      'Runs them first in the last proven copy of the source, where there is one; what fails there never reaches the original.',
    ),
  recoveryPoint: z.boolean().default(true).describe('Copies the source before the first statement.'),
  outOfOrder: z.boolean().optional().describe('Applies also what comes before a version that is applied already.'),
  lockTimeout: Duration.optional().describe('How long a statement waits for a table, by default 5s.'),
  statementTimeout: Duration.optional().describe(
    'How long a statement may take, by default 10 times what it took in the rehearsal (databases.divergence).',
  ),
});
export type Input = z.output<typeof Input>;

export const RehearsalReport = z.object({
  copy: z.string(),
  possible: z
    .boolean()
    .describe('False where this machine has no place of its own to rehearse in: then nothing was tried.'),
  statement: z.string(),
  restoreSeconds: z.number(),
  steps: z.array(
    z.object({
      file: z.string(),
      tried: z.boolean().describe('False where the copy had it already.'),
      seconds: z.number(),
      locks: z
        .array(z.object({ relation: z.string(), mode: z.string(), seconds: z.number() }))
        .describe('What it held of tables that were there before; of PostgreSQL.'),
      rewrites: z.array(z.string()).describe('Tables that it wrote anew.'),
    }),
  ),
  counts: z
    .array(z.object({ table: z.string(), before: z.number(), after: z.number() }))
    .describe('Tables with more or fewer rows than before.'),
  wayBack: z.string().nullable().describe('What came of the down files there.'),
});
export type RehearsalReport = z.output<typeof RehearsalReport>;

export const Output = z.object({
  database: z.string(),
  engine: z.string(),
  direction: z.enum(['up', 'down']),
  migrations: z.array(z.object({ version: z.string(), file: z.string(), seconds: z.number(), already: z.boolean() })),
  rehearsal: RehearsalReport.nullable().describe(
    'Null where no proven copy was there to rehearse on, or nobody wanted it.',
  ),
  recoveryPoint: z.string().nullable().describe('Id of the copy from before.'),
  takeBack: z.array(z.string()).describe('How it is taken back.'),
});
