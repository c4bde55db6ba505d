import type { Attachment } from '../../core/alert.ts';
import type { Exports } from '../../core/exports.ts';
import type { HealthFindings, RestartCounts } from '../../core/health-report.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { Monitor, ResponseTimes } from '../../core/monitor.ts';
import type { PerformanceReport } from '../../core/performance-report.ts';
import type { ReportKindName } from '../../core/report-period.ts';
import type { RunService } from '../../core/run-service.ts';
import type { ScoreTrend } from '../../core/score.ts';
import type { WeeklySummary } from '../../core/weekly-summary.ts';
import type { Store } from '../../store/store.ts';

export interface ReportsSettings {
  readonly keepMs: number;
  /** Reports of agents come every five minutes, so they stay for a shorter time. */
  readonly keepAgentReportsMs: number;
  /** So many restarts of an agent that failed within a day are told to a person. */
  readonly agentRestartFailures: number;
  readonly format: 'json' | 'html' | 'both';
  /** Which reports are sent, besides being kept. */
  readonly send: readonly ReportKindName[];
}

export interface Renderers {
  readonly health: (report: HealthFindings, trend: ScoreTrend) => string;
  readonly performance: (report: PerformanceReport, trend: ScoreTrend) => string;
  readonly weekly: (report: WeeklySummary) => string;
}

/** A report as it is sent. */
export interface ReportMessage {
  readonly id: string;
  readonly at: Date;
  readonly title: string;
  readonly text: string;
  /** Where all of it is, below the address of Steward. */
  readonly path: string;
  /** All of it, in itself. */
  readonly attachments: readonly Attachment[];
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
  /** Reports as documents that need nothing besides themselves. */
  readonly render: Renderers;
  /** To whoever reports are sent to; harmless twice. */
  readonly send: (report: ReportMessage) => Promise<void>;
  readonly settings: () => ReportsSettings;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
  readonly log: Log;
}
