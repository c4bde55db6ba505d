import type { EventType } from '../event.ts';
import type { ReportKindName, ReportPeriod } from '../report-period.ts';

export interface Stretch {
  readonly from: Date;
  readonly to: Date;
}

/** How often something happened, by what it was about. */
export interface EventCount {
  readonly type: EventType;
  /** Of what: a source, an automation, a channel; empty where the event names none. */
  readonly of: string;
  /** As the event names it; empty where it names none. */
  readonly status: string;
  readonly count: number;
}

/** A database of this node, as it was when it was last looked at. */
export interface DatabaseFigures {
  readonly source: string;
  readonly kind: string;
  readonly at: Date;
  readonly bytes: number;
  readonly connectionsPercent?: number | undefined;
  readonly cacheHitPercent?: number | undefined;
  readonly longestTransactionSeconds?: number | undefined;
  readonly slowest?: { readonly statement: string; readonly meanMs: number; readonly calls: number } | undefined;
}

/** How a report turned out. */
export interface ReportScore {
  readonly report: ReportKindName;
  readonly node: string;
  readonly at: Date;
  readonly score: number;
}

export interface ReportingSettings {
  /** Of a report for which nobody says another. */
  readonly period: ReportPeriod;
  /** An answer that takes longer is slow. */
  readonly slowSeconds: number;
}

/** What Steward wrote down, for whoever reports on a stretch of time. */
export interface HistoryPort {
  settings(): Promise<ReportingSettings>;
  /** Percent of the time since then that each service answered, of the time it was meant to; by resource. */
  uptimes(since: Date): Promise<ReadonlyMap<string, number>>;
  /** What happened, dry runs left out; `here`: on this node only. */
  counts(types: readonly EventType[], stretch: Stretch & { readonly here?: boolean }): Promise<EventCount[]>;
  databases(): Promise<DatabaseFigures[]>;
  /** Of all machines, the oldest first. */
  scores(stretch: Stretch): Promise<ReportScore[]>;
  /** Titles of the incidents that are open now. */
  openIncidents(): Promise<string[]>;
}
