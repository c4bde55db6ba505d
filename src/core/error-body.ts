import { z } from 'zod';
import { type ErrorCode, ERRORS } from './error-codes.ts';

/** One thing that is wrong with an input: where, what was found wrong, what was expected. */
export const Problem = z.object({
  path: z.string().describe('The field, as in services.0.every; empty for the whole input.'),
  message: z.string().describe('What is wrong and what was expected.'),
});
export type Problem = z.output<typeof Problem>;

export const ErrorBody = z.object({
  code: z.enum(Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]).describe('Permanent code of the error.'),
  message: z.string().describe('What happened and why, with the values.'),
  hint: z.string().optional().describe('What to do next.'),
  problems: z.array(Problem).optional().describe('Each field that was refused.'),
});
export type ErrorBody = z.output<typeof ErrorBody>;
