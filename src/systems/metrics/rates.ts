import { METRICS, type Reading } from '../../core/metric.ts';
import { labelsKey } from './series.ts';

/**
 * What is kept of readings: a gauge as it is, a counter as what it grew by a second. A counter that shrank began anew, and the
 * first one says nothing yet; both are left out until the next.
 */
export function createRates(): (readings: readonly Reading[], at: Date) => Reading[] {
  let before = new Map<string, number>();
  let beforeAt = 0;
  return (readings, at) => {
    const seconds = (at.getTime() - beforeAt) / 1_000;
    const now = new Map<string, number>();
    const kept = readings.flatMap((reading) => {
      if (METRICS[reading.name].type === 'gauge') return [reading];
      const key = `${reading.name} ${labelsKey(reading.labels)}`;
      now.set(key, reading.value);
      const earlier = before.get(key);
      if (earlier === undefined || reading.value < earlier || seconds <= 0) return [];
      return [{ ...reading, value: (reading.value - earlier) / seconds }];
    });
    [before, beforeAt] = [now, at.getTime()];
    return kept;
  };
}
