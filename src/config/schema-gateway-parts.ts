import { z } from 'zod';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

export const name = z.string().regex(NAME, 'expected letters, digits, dots, - and _, at most 63');
export const header = z
  .string()
  .regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/, 'expected the name of a header')
  .toLowerCase();

/** What is wrong, and where below what was looked at. */
export type Problem = readonly [path: readonly string[], message: string];
