import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { type Trace, WEEK_SLOTS } from './trace.ts';

const ZONES = ['eastern', 'central', 'mountain', 'pacific'];
const WEEKS = 14;
/** What one departure in five minutes counts as, so that what is usual by day is above what is worth a word. */
const BYTES = 2e5;

/**
 * Departures from 45 airports of the United States, by time zone, in each five minutes of the first fourteen weeks of 2001 and by
 * their own clocks: recorded by the Bureau of Transportation Statistics, counted from `flights-3m` of vega-datasets 3.2.1
 * (BSD-3-Clause). It is no server; but its rhythm of day and week, its holidays, storms and chance are real. A departure counts
 * as 200 kB a second.
 */
export function recordedTrace(): Trace {
  const counts = gunzipSync(readFileSync(new URL('us-departures-2001.gz', import.meta.url)));
  const slots = WEEKS * WEEK_SLOTS;
  return {
    name: 'departures from 45 airports, recorded in 2001',
    from: Date.parse('2001-01-01T00:00:00Z'),
    slots,
    series: ZONES.map((key, index) => ({
      metric: 'network',
      key,
      values: Float64Array.from(counts.subarray(index * slots, (index + 1) * slots), (count) => count * BYTES),
    })),
  };
}
