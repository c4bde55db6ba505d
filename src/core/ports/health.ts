import type { ServiceState } from '../check.ts';
import type { Resource } from '../resource.ts';

export interface HealthThresholds {
  /** So many failed checks make a report critical. */
  readonly criticalFailures: number;
  readonly renewalDays: number;
  readonly cpuPercent: number;
  readonly memoryPercent: number;
  readonly diskPercent: number;
  readonly loadPerCore: number;
  /** A log file larger than this is worth a word. */
  readonly logBytes: number;
}

/** A service of this machine as monitoring sees it. */
export interface WatchedService {
  readonly resource: Resource;
  readonly state: ServiceState;
  readonly message: string;
  readonly uptimePercent: number | undefined;
  /** What it is asked: http, postgres, container ... */
  readonly kinds: readonly string[];
}

/** What Steward knows of how this machine is, for whoever reports on it. */
export interface HealthPort {
  thresholds(): Promise<HealthThresholds>;
  services(): Promise<WatchedService[]>;
  /** The largest files that programs write their logs into, largest first. */
  logFiles(): Promise<readonly { readonly path: string; readonly bytes: number }[]>;
}
