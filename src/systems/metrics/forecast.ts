import { formatDuration } from '../../core/duration.ts';

/** How much there was, at an instant. */
export interface Amount {
  readonly at: Date;
  readonly value: number;
}

export type Forecast =
  | { readonly state: 'not-enough-history'; readonly why: string }
  | { readonly state: 'steady'; readonly perDay: number }
  | {
      readonly state: 'filling';
      readonly perDay: number;
      readonly fullAt: Date;
      /** Between these, if it goes on as in most of the time that is known. */
      readonly earliest: Date;
      readonly latest: Date | undefined;
    };

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const LEAST_SPAN_MS = DAY_MS;
const LEAST_POINTS = 12;
/** Further ahead nobody knows. */
const HORIZON_DAYS = 365;

/**
 * When what is left is used up, by the median of the slopes between every two hours of the history: one night's backup that comes
 * and goes, or a log that was deleted, moves it little (Theil and Sen).
 */
export function forecast(free: readonly Amount[], now: Date): Forecast {
  const points = free.toSorted((one, other) => one.at.getTime() - other.at.getTime());
  const [first, last] = [points[0], points.at(-1)];
  const spanMs = first && last ? last.at.getTime() - first.at.getTime() : 0;
  if (!last || spanMs < LEAST_SPAN_MS || points.length < LEAST_POINTS)
    return {
      state: 'not-enough-history',
      why: `Not enough history yet: ${formatDuration(spanMs)} of it are known, and a day is needed.`,
    };
  const slopes = slopesOf(points);
  const perDay = at(slopes, 0.5);
  const days = perDay < 0 ? last.value / -perDay : Infinity;
  if (days > HORIZON_DAYS) return { state: 'steady', perDay };
  const after = (slope: number): Date | undefined =>
    slope < 0 && last.value / -slope <= 10 * HORIZON_DAYS
      ? new Date(now.getTime() + (last.value / -slope) * DAY_MS)
      : undefined;
  const fullAt = new Date(now.getTime() + days * DAY_MS);
  return {
    state: 'filling',
    perDay,
    fullAt,
    earliest: after(at(slopes, 0.25)) ?? fullAt,
    latest: after(at(slopes, 0.75)),
  };
}

function slopesOf(points: readonly Amount[]): number[] {
  const slopes: number[] = [];
  for (const [index, one] of points.entries())
    for (const other of points.slice(index + 1)) {
      const days = (other.at.getTime() - one.at.getTime()) / DAY_MS;
      if (days > 0) slopes.push((other.value - one.value) / days);
    }
  return slopes.toSorted((a, b) => a - b);
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.floor((sorted.length - 1) * share)] ?? 0;
}
