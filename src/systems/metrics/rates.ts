import { METRICS, type Reading } from '../../core/metric.ts';
import { labelsKey } from './series.ts';

/**
 * What is kept of readings: a gauge as it is, a counter as what it grew by a second, and what was seen before only once. A counter
 * that shrank began anew, and the first one says nothing yet; both are left out until the next.
 */
export function createRates(): (readings: readonly Reading[], at: Date) => Reading[] {
  let before = new Map<string, { readonly value: number; readonly at: number }>();
  return (readings, now) => {
    const seen = new Map<string, { readonly value: number; readonly at: number }>();
    const kept = readings.flatMap((reading) => {
      const { name, labels, value } = reading;
      const isGauge = METRICS[name].type === 'gauge';
      if (isGauge && reading.at === undefined) return [reading];
      const key = `${name} ${labelsKey(labels)}`;
      const at = (reading.at ?? now).getTime();
      const earlier = before.get(key);
      seen.set(key, { value, at });
      if (earlier?.at === at) return [];
      if (isGauge) return [reading];
      const seconds = earlier ? (at - earlier.at) / 1_000 : 0;
      if (!earlier || value < earlier.value || seconds <= 0) return [];
      return [{ ...reading, value: (value - earlier.value) / seconds }];
    });
    before = seen;
    return kept;
  };
}
