import type { Labels, MetricName } from '../metric.ts';

export interface MeasuredPoint {
  /** When its step begins. */
  readonly at: Date;
  readonly avg: number;
}

export interface MeasuredSeries {
  readonly labels: Labels;
  /** What it is about, where the inventory knows that. */
  readonly resourceId?: string | undefined;
  /** Oldest first; a step without a value is left out. */
  readonly points: readonly MeasuredPoint[];
}

/** What was measured on this node. */
export interface MetricsPort {
  over(
    name: MetricName,
    span: { readonly from: Date; readonly to: Date; readonly stepMs: number },
  ): Promise<readonly MeasuredSeries[]>;
}
