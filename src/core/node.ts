import { z } from 'zod';

/** A machine that runs Steward. */
export const NodeRecord = z.object({
  id: z.string(),
  name: z.string(),
  version: z.string(),
  labels: z.record(z.string(), z.string()),
  state: z.enum(['alive', 'lost', 'left']),
  draining: z.boolean().default(false).describe('Takes no new work.'),
  drainedAt: z.coerce.date().optional().describe('Since when nothing ran there any more, where it drains.'),
  ports: z.array(z.string()).default([]).describe('What automations can be given there.'),
  runsInFlight: z.number().int().default(0),
  clockSkewMs: z.number().optional().describe("How far its clock is ahead of the database's, in milliseconds."),
  address: z.string().optional(),
  startedAt: z.coerce.date(),
  lastHeartbeat: z.coerce.date(),
});
export type NodeRecord = z.output<typeof NodeRecord>;
