import type { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { Healthcheck, PlaceReport } from '../../core/place-messages.ts';

export const parseReport = (given: unknown): PlaceReport => parsed(PlaceReport, given, 'report');
export const parseHealthcheck = (given: unknown): Healthcheck => parsed(Healthcheck, given, 'healthcheck');

function parsed<T extends z.ZodType>(schema: T, given: unknown, what: string): z.output<T> {
  const { data, error } = schema.safeParse(given);
  if (error)
    throw StewardError.invalid(
      error.issues.map(({ path, message }) => ({ path: [what, ...path].join('.'), message })),
      error,
    );
  return data;
}
