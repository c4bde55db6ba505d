import { z } from 'zod';
import type { Inventory } from '../../core/inventory.ts';
import type { Attempt } from './tables.ts';

/** One attempt, as everybody is shown it. */
export const AttemptView = z.object({
  incidentId: z.string(),
  resourceId: z.string(),
  service: z.string(),
  fingerprint: z.string().describe('Of the trouble: symptom and resource.'),
  symptom: z.string(),
  number: z.number().int(),
  runbook: z.string(),
  automation: z.string(),
  disruptive: z.boolean(),
  status: z.enum(['starting', 'running', 'waiting-approval', 'soaking', 'succeeded', 'failed', 'abandoned']),
  lasted: z
    .enum(['yes', 'no', 'open'])
    .describe('Whether the trouble stayed away: no where it came back soon after a success, open before the end.'),
  runId: z.string().optional(),
  startedAt: z.coerce.date(),
  soakUntil: z.coerce.date().optional(),
  recurredAt: z.coerce.date().optional(),
  finishedAt: z.coerce.date().optional(),
  outcome: z.string().optional(),
});

export async function attemptView(row: Attempt, inventory: Inventory): Promise<z.input<typeof AttemptView>> {
  return {
    incidentId: row.incident_id,
    resourceId: row.resource_id,
    service: (await inventory.get(row.resource_id))?.name ?? row.resource_id,
    fingerprint: row.fingerprint,
    symptom: row.symptom,
    number: row.number,
    runbook: row.runbook,
    automation: row.automation,
    disruptive: row.disruptive,
    status: row.status,
    lasted: row.finished_at === null ? 'open' : row.status === 'succeeded' && row.recurred_at === null ? 'yes' : 'no',
    startedAt: row.started_at,
    ...(row.run_id !== null && { runId: row.run_id }),
    ...(row.soak_until !== null && { soakUntil: row.soak_until }),
    ...(row.recurred_at !== null && { recurredAt: row.recurred_at }),
    ...(row.finished_at !== null && { finishedAt: row.finished_at }),
    ...(row.outcome !== null && { outcome: row.outcome }),
  };
}
