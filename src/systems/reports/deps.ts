import type { Exports } from '../../core/exports.ts';
import type { HealthFindings, HealthTrend, RestartCounts } from '../../core/health-report.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { Monitor, ResponseTimes } from '../../core/monitor.ts';
import type { RunService } from '../../core/run-service.ts';
import type { Store } from '../../store/store.ts';

export interface ReportsSettings {
  readonly keepMs: number;
  /** Reports of agents come every five minutes, so they stay for a shorter time. */
  readonly keepAgentReportsMs: number;
  /** So many restarts of an agent that failed within a day are told to a person. */
  readonly agentRestartFailures: number;
}

export interface ReportsDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly runs: Pick<RunService, 'get'>;
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve'>;
  readonly inventory: Pick<Inventory, 'find'>;
  readonly monitor: Pick<Monitor, 'all'>;
  /** Of answers that were good, by resource. */
  readonly responseTimes: (resourceIds: readonly string[], since: Date) => Promise<ReadonlyMap<string, ResponseTimes>>;
  readonly uptimes: (since: Date) => Promise<ReadonlyMap<string, number>>;
  readonly restarts: (resourceIds: readonly string[], since: Date) => Promise<ReadonlyMap<string, RestartCounts>>;
  readonly exports: Exports;
  /** A report as a document that needs nothing besides itself. */
  readonly render: (findings: HealthFindings, trend: HealthTrend) => string;
  readonly settings: () => ReportsSettings;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
  readonly log: Log;
}
