import { z } from 'zod';
import { naming } from '../../core/naming.ts';

const often = z.enum(['daily', 'weekly', 'never']);

export const Input = z.object({
  sources: z
    .array(naming('source', z.string().min(1)))
    .optional()
    .describe('Only these sources; by default every database.'),
  database: z.string().min(1).optional().describe('Only this one: the name of a source, or of a database in one.'),
  vacuum: often
    .optional()
    .describe(
      'Vacuum and statistics of tables that were written to and not looked after for a day or a week; by default as databases.vacuum says. Many dead rows are always reason enough.',
    ),
  optimize: often
    .default('weekly')
    .describe(
      'What is measured to be bloated is built anew: weekly in the windows of the configuration only, daily at once where that stops nobody.',
    ),
  analyze_slow: z.boolean().default(true).describe('Slow queries are in the report.'),
  auto_index: z
    .boolean()
    .default(false)
    .describe('Indexes for the slow queries are tried on the last proven copy and suggested; none is made.'),
  rehearse: z
    .enum(['heavy', 'all', 'none'])
    .default('heavy')
    .describe('What is done to the last proven copy first: what builds something anew, all, nothing.'),
});
export type Input = z.output<typeof Input>;
