import { z } from 'zod';
import { mean, MEASURES, rounded } from './measures.ts';
import type { MetricsPort } from './ports/metrics.ts';

export const PerformanceMetric = z.enum(['cpu', 'memory', 'disk', 'network', 'response-time']);
export type PerformanceMetric = z.output<typeof PerformanceMetric>;

export const PerformanceFinding = z.object({
  metric: PerformanceMetric,
  subject: z.string().describe('The machine, a disk, an interface, a service.'),
  state: z.enum(['normal', 'above', 'not-enough-history', 'not-measured']),
  unit: z.string(),
  value: z.number().optional().describe('The mean of the last fifteen minutes.'),
  usual: z.number().optional().describe('The median at this hour of the week.'),
  times: z.number().optional().describe('How many times what is usual.'),
  message: z.string(),
});
export type PerformanceFinding = z.output<typeof PerformanceFinding>;

const HOUR_MS = 3_600_000;
const WEEK_HOURS = 168;
export const RECENT_MS = 15 * 60_000;
/** At one hour of the week, with the one before and after it. */
const LEAST_KNOWN = 3;
/** Standard deviations, as the median of deviations tells them; what differs less is noise. */
const FAR = 6;
const DEVIATION_OF_MEDIAN = 1.4826;
/** A machine at rest hardly differs from itself, and would be far off at once. */
const LEAST_DEVIATION = 0.05;
const LEAST_TIMES = 1.25;

/** How a metric is beside what it usually is at this hour of the week; one finding for each thing that has it. */
export async function lookAtPerformance(
  port: MetricsPort,
  metric: PerformanceMetric,
  { now, baselineMs, times }: { readonly now: Date; readonly baselineMs: number; readonly times: number },
): Promise<PerformanceFinding[]> {
  const { unit, least, subjects } = MEASURES[metric];
  const recentFrom = new Date(now.getTime() - RECENT_MS);
  const lately = await subjects((name) => port.over(name, { from: recentFrom, to: now, stepMs: RECENT_MS }));
  // An hour more than the baseline, so that the hour after this one a week ago is in it.
  const before = await subjects((name) =>
    port.over(name, { from: new Date(now.getTime() - baselineMs - HOUR_MS), to: recentFrom, stepMs: HOUR_MS }),
  );
  const history = new Map(before.map(({ key, values }) => [key, values]));
  const found = lately.flatMap(({ key, name, values }) => {
    const value = mean([...values.values()]);
    if (value === undefined) return [];
    const known = atThisHour(history.get(key) ?? new Map<number, number>(), now);
    return [{ metric, subject: name, unit, value: rounded(value), ...judge(value, known, { least, times, unit }) }];
  });
  return found.length > 0
    ? found
    : [
        {
          metric,
          subject: 'machine',
          unit,
          state: 'not-measured',
          message: 'Nothing was measured in the last fifteen minutes.',
        },
      ];
}

/** What is known of this hour of the week, with the hours beside it. */
export function atThisHour(history: ReadonlyMap<number, number>, now: Date): number[] {
  const hour = Math.floor(now.getTime() / HOUR_MS);
  return [...history].flatMap(([at, value]) => {
    const ago = hour - Math.floor(at / HOUR_MS);
    const beside = ago % WEEK_HOURS;
    return ago > 1 && (beside <= 1 || beside === WEEK_HOURS - 1) ? [value] : [];
  });
}

/** Above is what is so many times the usual, or further from it than it ever strays. */
export function judge(
  value: number,
  known: readonly number[],
  { least, times, unit }: { readonly least: number; readonly times: number; readonly unit: string },
): Pick<PerformanceFinding, 'state' | 'usual' | 'times' | 'message'> {
  const usual = median(known);
  if (usual === undefined || known.length < LEAST_KNOWN)
    return {
      state: 'not-enough-history',
      message: 'Not enough history yet: this hour of the week has to be known from a week before.',
    };
  const deviation = median(known.map((one) => Math.abs(one - usual))) ?? 0;
  const strays = Math.max(deviation * DEVIATION_OF_MEDIAN, usual * LEAST_DEVIATION);
  const ratio = usual > 0 ? value / usual : Infinity;
  const above =
    value >= least && (ratio >= times || (ratio >= LEAST_TIMES && strays > 0 && (value - usual) / strays >= FAR));
  return {
    state: above ? 'above' : 'normal',
    usual: rounded(usual),
    ...(Number.isFinite(ratio) && { times: rounded(ratio) }),
    message: `${rounded(value)} ${unit}; at this hour of the week ${rounded(usual)} is usual.`,
  };
}

function median(values: readonly number[]): number | undefined {
  const sorted = values.toSorted((one, other) => one - other);
  return sorted[Math.floor(sorted.length / 2)];
}
