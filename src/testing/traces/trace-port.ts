import type { Labels, MetricName } from '../../core/metric.ts';
import type { MeasuredPoint, MetricsPort } from '../../core/ports/metrics.ts';
import { readingsOf, SLOT_MS, type Trace } from './trace.ts';

/** A trace as the store would answer of it, without a store. */
export function tracePort({ from: begin, slots, series }: Trace): MetricsPort {
  const all = series.flatMap((one) =>
    readingsOf(one, 0).map(({ name, labels }, index): { name: MetricName; labels: Labels; values: Float64Array } => ({
      name,
      labels,
      values: one.values.map((value) => readingsOf(one, value)[index]?.value ?? Number.NaN),
    })),
  );
  return {
    async over(name, { from, to, stepMs }) {
      const first = Math.floor(from.getTime() / stepMs) * stepMs;
      return all
        .filter((one) => one.name === name)
        .map(({ labels, values }) => {
          const points: MeasuredPoint[] = [];
          for (let at = Math.max(first, begin); at <= to.getTime() && at < begin + slots * SLOT_MS; at += stepMs) {
            let [sum, count] = [0, 0];
            const last = Math.min(at + stepMs, to.getTime() + 1);
            for (let slot = (at - begin) / SLOT_MS; begin + slot * SLOT_MS < last && slot < slots; slot += 1) {
              const value = values[slot] ?? Number.NaN;
              if (Number.isNaN(value)) continue;
              sum += value;
              count += 1;
            }
            if (count > 0) points.push({ at: new Date(at), avg: sum / count });
          }
          return { labels, points };
        });
    },
  };
}
