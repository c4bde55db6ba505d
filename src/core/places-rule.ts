import { z } from 'zod';

export const PlaceName = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'expected letters, digits, dots, - and _, at most 63');

/** From where else something is looked at, and how many have to say that it is down. */
export const PlacesRule = z.object({
  from: z.array(PlaceName).min(1).max(100).optional().describe('Only these places; all that there are by default.'),
  need: z
    .number()
    .int()
    .min(1)
    .max(101)
    .optional()
    .describe(
      'So many places, this machine among them, have to say that it is down; by default more than half of those that have a say.',
    ),
  secrets: z
    .boolean()
    .default(false)
    .describe('Send the places what the headers take from secrets. Without it such a check stays on this machine.'),
});
export type PlacesRule = z.output<typeof PlacesRule>;
