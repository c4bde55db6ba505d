import type { Labels, MetricName } from '../../core/metric.ts';
import type { PerformanceMetric } from '../../core/performance.ts';

export const SLOT_MS = 300_000;
export const DAY_SLOTS = 288;
export const WEEK_SLOTS = 7 * DAY_SLOTS;

/** One thing over some weeks: its mean in each five minutes, and NaN where there was none. */
export interface TraceSeries {
  readonly metric: PerformanceMetric;
  /** As the watch calls it: the machine, a disk, an interface, the id of a check. */
  readonly key: string;
  readonly values: Float64Array;
}

export interface Trace {
  readonly name: string;
  readonly from: number;
  readonly slots: number;
  readonly series: readonly TraceSeries[];
}

/** As the meters of a machine would read it: several series make one share. */
export function readingsOf(
  { metric, key }: TraceSeries,
  value: number,
): readonly { readonly name: MetricName; readonly labels: Labels; readonly value: number }[] {
  switch (metric) {
    case 'cpu':
      return [
        { name: 'steward_host_cpu_seconds_total', labels: { mode: 'user' }, value: value * 4 },
        { name: 'steward_host_cpu_seconds_total', labels: { mode: 'idle' }, value: (1 - value) * 4 },
      ];
    case 'memory':
      return [
        { name: 'steward_host_memory_bytes', labels: {}, value: 16e9 },
        { name: 'steward_host_memory_available_bytes', labels: {}, value: (1 - value) * 16e9 },
      ];
    case 'disk':
      return [{ name: 'steward_host_disk_busy_seconds_total', labels: { device: key }, value }];
    case 'network':
      return [{ name: 'steward_host_network_received_bytes_total', labels: { interface: key }, value }];
    case 'response-time':
      return [{ name: 'steward_check_latency_seconds', labels: { id: key, service: key, check: 'http' }, value }];
  }
}

/** Always the same numbers of one seed, between 0 and 1 (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
