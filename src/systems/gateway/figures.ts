// What the gateway did since it began, in numbers that cost nothing to keep.
import type { Times } from './messages.ts';

/** How long things took: buckets that grow by a tenth, from 50 µs to two minutes. */
export interface Durations {
  add(ms: number): void;
  /** In milliseconds, up to a tenth too high; nothing where there is nothing. */
  quantile(share: number): number | undefined;
  readonly count: number;
}

const SMALLEST_MS = 0.05;
const GROWTH = 1.1;
const BUCKETS = 155;

export function createDurations(): Durations {
  const counts = new Float64Array(BUCKETS);
  let count = 0;
  return {
    add(ms) {
      const bucket = ms <= SMALLEST_MS ? 0 : Math.ceil(Math.log(ms / SMALLEST_MS) / Math.log(GROWTH));
      const place = Math.min(BUCKETS - 1, bucket);
      counts[place] = (counts[place] ?? 0) + 1;
      count += 1;
    },
    quantile(share) {
      if (count === 0) return undefined;
      let left = Math.ceil(share * count);
      for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
        left -= counts[bucket] ?? 0;
        if (left <= 0) return SMALLEST_MS * GROWTH ** bucket;
      }
      return SMALLEST_MS * GROWTH ** BUCKETS;
    },
    get count() {
      return count;
    },
  };
}

export interface RouteFigures {
  readonly total: Durations;
  requests: number;
  refused: number;
  /** Answered with 5xx, or not at all. */
  failed: number;
}

export interface Figures {
  readonly total: Durations;
  /** What the gateway itself took, without the upstream: until the request was on its way. */
  readonly own: Durations;
  requests: number;
  /** Answers by hundreds: 2xx, 4xx. */
  readonly byStatus: Record<string, number>;
  /** Of each route by its name, and under nothing of what no route took. */
  readonly routes: Map<string | undefined, RouteFigures>;
  /** By the rule that refused. */
  readonly refusals: Record<string, number>;
  /** What did not go to its end, or failed at the upstream, by reason. */
  readonly failures: Record<string, number>;
}

export function createFigures(): Figures {
  return {
    total: createDurations(),
    own: createDurations(),
    requests: 0,
    byStatus: {},
    refusals: {},
    failures: {},
    routes: new Map(),
  };
}

export function bump(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}

export function figuresOf({ routes }: Figures, route: string | undefined): RouteFigures {
  const known = routes.get(route);
  if (known) return known;
  const fresh = { total: createDurations(), requests: 0, refused: 0, failed: 0 };
  routes.set(route, fresh);
  return fresh;
}

/** Nothing where there was nothing. */
export function timesOf(durations: Durations): Times {
  const at = (share: number): number | undefined => {
    const ms = durations.quantile(share);
    return ms === undefined ? undefined : Math.round(ms * 100) / 100;
  };
  const [p50, p95, p99] = [at(0.5), at(0.95), at(0.99)];
  return p50 === undefined || p95 === undefined || p99 === undefined ? {} : { p50, p95, p99 };
}
