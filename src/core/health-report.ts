import { z } from 'zod';
import { Deduction } from './score.ts';

export const HEALTH_GROUPS = [
  'docker',
  'core',
  'api',
  'database',
  'agents',
  'models',
  'services',
  'resources',
  'logs',
  'certificates',
] as const;

/** One thing that a health report looked at. */
export const HealthItem = z.object({
  group: z.enum(HEALTH_GROUPS),
  name: z.string(),
  state: z.enum(['ok', 'warning', 'failed', 'skipped']).describe('skipped: not there, or stopped on purpose.'),
  message: z.string(),
  critical: z.boolean().describe('Of a service that is marked critical.'),
  resourceId: z.string().optional(),
});
export type HealthItem = z.output<typeof HealthItem>;

/** What a daily health check found on one machine. */
export const HealthFindings = z.object({
  at: z.coerce.date(),
  node: z.string(),
  score: z.number().min(0).max(100).describe('100 where all is well.'),
  deductions: z.array(Deduction).describe('What was taken from 100, and why.'),
  critical: z.boolean().describe('As many checks failed as the configuration calls critical, or more.'),
  failed: z.number().int(),
  warnings: z.number().int(),
  thresholds: z.object({ criticalFailures: z.number().int(), renewalDays: z.number().int() }),
  items: z.array(HealthItem),
});
export type HealthFindings = z.output<typeof HealthFindings>;

/** Attempts to bring a service back that have ended. */
export interface RestartCounts {
  readonly succeeded: number;
  readonly failed: number;
}

const AGENT_NAME = /(^|[-_/. ])agents?($|[-_/. ])/i;

/** An AI agent: labelled so, or called so. */
export function isAgent({
  labels,
  name,
  kind,
}: {
  readonly labels: Readonly<Record<string, string>>;
  readonly name: string;
  readonly kind: string;
}): boolean {
  if (kind !== 'service') return false;
  const label = labels['steward.agent'] ?? labels['agent'];
  if (label !== undefined) return label !== 'false';
  return labels['kind'] === 'agent' || labels['role'] === 'agent' || AGENT_NAME.test(name);
}
