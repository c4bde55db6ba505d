import { z } from 'zod';
import { ProbeResult, ServiceState } from './check.ts';
import type { Json } from './json.ts';
import type { Resource } from './resource.ts';

/** How a service is, as its checks together say. */
export const ServiceStatus = z.object({
  resourceId: z.string(),
  state: ServiceState,
  since: z.coerce.date(),
  consecutiveFailures: z.number().int(),
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
