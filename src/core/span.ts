import { z } from 'zod';
import { Duration, ms, parseDuration } from './duration.ts';
import { StewardError } from './errors.ts';

const LONGEST_MS = 90 * 86_400_000;
const SHORTEST_MS = 1_000;

/** How long something is kept quiet. */
export const SpanLength = Duration.refine((text) => {
  const parsed = parseDuration(text) ?? SHORTEST_MS;
  return parsed >= SHORTEST_MS && parsed <= LONGEST_MS;
}, 'expected between 1s and 90d');

/** From when until when, as members of an input. */
export const spanMembers = {
  for: SpanLength.optional().describe('How long it lasts.'),
  until: z.coerce.date().optional().describe('When it ends; instead of a length.'),
  from: z.coerce.date().optional().describe('When it begins; now where it is left out.'),
};

export function spanOf(
  { from, until, for: duration }: { from?: Date | undefined; until?: Date | undefined; for?: string | undefined },
  now: Date,
): { from: Date; until: Date } {
  if ((duration === undefined) === (until === undefined))
    throw StewardError.invalid([{ path: 'for', message: 'expected how long it lasts, or until when; one of both' }]);
  const begin = from ?? now;
  const end = until ?? new Date(begin.getTime() + ms(duration ?? '0s'));
  assertSpan(begin, end, now, 'until');
  return { from: begin, until: end };
}

export function assertSpan(from: Date, until: Date, now: Date, path: string): void {
  if (until <= now || until <= from)
    throw StewardError.invalid([
      { path, message: `expected an end that is still to come; ${until.toISOString()} is not` },
    ]);
  if (until.getTime() - from.getTime() > LONGEST_MS)
    throw StewardError.invalid([
      { path, message: 'expected at most 90 days; what should not be watched at all is ignored' },
    ]);
}
