import { z } from 'zod';
import { LayerResult, Unsure } from './copy.ts';

/** What one verification looked at and found. */
export const VerificationReport = z.object({
  at: z.coerce.date(),
  node: z.string(),
  ok: z
    .boolean()
    .describe(
      'What was looked at is sound, something was, every source has a copy in each of its places, and every place can be used and has room.',
    ),
  complete: z.boolean().describe('Nothing was postponed, nothing could not be looked at, and no copy is missing.'),
  copies: z.array(
    z.object({
      copy: z.string(),
      source: z.string(),
      kind: z.string(),
      repository: z.string(),
      ok: z.boolean(),
      proven: z.boolean().describe('It was restored, and every layer held, for all that is in it.'),
      unsure: Unsure.optional().describe('What of it could not be compared: that much of it is not proven.'),
      restoreSeconds: z.number().optional(),
      layers: z.array(LayerResult),
      notLookedAt: z
        .string()
        .optional()
        .describe('Why it could not be read or restored here to the end. That says nothing of the copy itself.'),
    }),
  ),
  postponed: z.array(z.string()).describe('Copies for which the time did not suffice.'),
  missing: z.array(z.string()).describe('Sources that have no copy, by repository.'),
  repositories: z
    .array(
      z.object({
        name: z.string(),
        ok: z.boolean(),
        message: z.string().optional(),
        freeBytes: z.number().optional(),
        totalBytes: z.number().optional(),
        room: z
          .enum(['enough', 'short', 'unknown'])
          .describe('short: it is fuller than backups.nearlyFull. unknown: it does not say, as S3.'),
      }),
    )
    .describe('Whether there is room for the next copies.'),
});
export type VerificationReport = z.output<typeof VerificationReport>;
