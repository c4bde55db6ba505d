import { z } from 'zod';

/** A machine that runs Steward. */
export const NodeRecord = z.object({
  id: z.string(),
  name: z.string(),
  version: z.string(),
  labels: z.record(z.string(), z.string()),
  state: z.enum(['alive', 'lost', 'left']),
  address: z.string().optional(),
  startedAt: z.coerce.date(),
  lastHeartbeat: z.coerce.date(),
});
export type NodeRecord = z.output<typeof NodeRecord>;
