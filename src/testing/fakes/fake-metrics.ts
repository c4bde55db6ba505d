import type { Labels, MetricName } from '../../core/metric.ts';
import type { MetricsPort } from '../../core/ports/metrics.ts';

export interface FakeMetrics extends MetricsPort {
  /** What a series was at each instant. */
  measure(name: MetricName, labels: Labels, valueAt: (at: Date) => number | undefined): void;
}

/** A machine that was measured for ever. */
export function fakeMetrics(): FakeMetrics {
  const series: { name: MetricName; labels: Labels; valueAt: (at: Date) => number | undefined }[] = [];
  return {
    measure: (name, labels, valueAt) => void series.push({ name, labels, valueAt }),
    async over(name, { from, to, stepMs }) {
      const first = Math.floor(from.getTime() / stepMs) * stepMs;
      const instants = Array.from(
        { length: Math.ceil((to.getTime() - first) / stepMs) },
        (_, index) => new Date(first + index * stepMs),
      );
      return series
        .filter((each) => each.name === name)
        .map(({ labels, valueAt }) => ({
          labels,
          points: instants.flatMap((at) => {
            const avg = valueAt(at);
            return avg === undefined ? [] : [{ at, avg }];
          }),
        }));
    },
  };
}
