import { z } from 'zod';

/**
 * What Steward may do at all. `observe-only`: everything is planned and nothing is applied. `stopped`, the kill switch: nothing new
 * begins, what runs is canceled and taken back as far as it can be; observing goes on.
 */
export const Mode = z.enum(['normal', 'observe-only', 'stopped']);
export type Mode = z.output<typeof Mode>;

export const ModeRecord = z.object({
  mode: Mode,
  by: z.string().optional(),
  reason: z.string().optional(),
  since: z.coerce.date().optional(),
});
export type ModeRecord = z.output<typeof ModeRecord>;
