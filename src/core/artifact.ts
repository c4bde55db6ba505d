import { z } from 'zod';

/** A file that a run produced; the store keeps the reference, the node keeps the file. */
export const ArtifactReference = z.object({
  id: z.string(),
  runId: z.string(),
  name: z.string(),
  bytes: z.number().int(),
  sha256: z.string(),
});
export type ArtifactReference = z.output<typeof ArtifactReference>;
