import type { Resource } from '../resource.ts';

/** A service of this machine, as far as one must know it to see what it takes. */
export type UsedBy = Pick<Resource, 'id' | 'pids' | 'supervisor' | 'lastSeen'>;

export interface Usage {
  /** Since it was started. */
  readonly cpuSeconds: number;
  readonly memoryBytes: number;
  /** How often it was seen to begin anew. */
  readonly restarts: number;
}

/** What services take of this machine. What does not run, or cannot be seen from here, is left out. */
export interface UsagePort {
  /** By the id of the service. */
  of(services: readonly UsedBy[]): Promise<ReadonlyMap<string, Usage>>;
}
