import { z } from 'zod';
import { Problem, ProbeResult, ServiceState } from './check.ts';
import type { Json } from './json.ts';
import type { Resource } from './resource.ts';

/** How a service is, as its checks together say. */
export const ServiceStatus = z.object({
  resourceId: z.string(),
  state: ServiceState,
  since: z.coerce.date(),
  consecutiveFailures: z.number().int(),
  flapping: z
    .number()
    .optional()
    .describe('Its results change all the time: how much of what could have changed did, in percent.'),
  settleMs: z
    .number()
    .optional()
    .describe('After a failure it is believed once it has been well for so many milliseconds.'),
  checks: z.array(
    z.object({
      id: z.string(),
      kind: z.string(),
      state: ServiceState,
      at: z.coerce.date().optional(),
      consecutiveFailures: z.number().int(),
      last: ProbeResult.optional(),
    }),
  ),
});
export type ServiceStatus = z.output<typeof ServiceStatus>;

/** A trouble that a check can name, as the check says it now. */
export interface NamedProblem {
  readonly problem: Problem;
  readonly state: 'down' | 'degraded';
  readonly check: string;
  readonly message: string;
}

/** The troubles that its checks name, each once, with the check that takes it hardest. */
export function problemsOf(status: Pick<ServiceStatus, 'checks'> | undefined): NamedProblem[] {
  const named = new Map<Problem, NamedProblem>();
  for (const { id, state, last } of status?.checks ?? []) {
    if ((state !== 'down' && state !== 'degraded') || last?.problem === undefined || last.state !== state) continue;
    const known = named.get(last.problem);
    if (!known || (known.state === 'degraded' && state === 'down'))
      named.set(last.problem, { problem: last.problem, state, check: id, message: last.message });
  }
  return [...named.values()];
}

/** Whether a symptom is one of the troubles with a name. */
export function isProblem(symptom: string): symptom is Problem {
  return Problem.safeParse(symptom).success;
}

/** Whether that it is well again may be believed: it has been so for a while, and does not flap. */
export function isCalm(status: Pick<ServiceStatus, 'since' | 'flapping' | 'settleMs'>, now: Date): boolean {
  return status.flapping === undefined && now.getTime() - status.since.getTime() >= (status.settleMs ?? 0);
}

/** Of good answers, in milliseconds. */
export interface ResponseTimes {
  readonly p50: number;
  readonly p95: number;
  readonly max: number;
  readonly samples: number;
}

/** A service that this node watches itself, as its checks say at this instant. */
export interface WatchedHere {
  readonly resource: Pick<Resource, 'id' | 'name'>;
  readonly status: ServiceStatus;
}

/** Monitoring, for systems that need its word. */
export interface Monitor {
  status(resourceId: string): Promise<ServiceStatus | undefined>;
  all(): Promise<ServiceStatus[]>;
  /** Probes every check of the resource at once, outside the schedule. A failure counts where the one before it is half an interval ago. */
  probeNow(resourceId: string, signal: AbortSignal): Promise<ServiceStatus | undefined>;
}

/** What can be learned about a resource at this instant: logs, exit code, use of cpu, memory and disk, what changed. */
export interface EvidenceCollector {
  collect(resource: Resource, signal: AbortSignal): Promise<Json>;
}

const PARALYZING: ReadonlySet<string> = new Set([
  'database.locked',
  'pool.exhausted',
  'process.frozen',
] satisfies Problem[]);

/** In whose way nothing else gets done; the others are pressure, under which a service may still die of something else. */
export function isParalyzing(symptom: string): boolean {
  return PARALYZING.has(symptom);
}
