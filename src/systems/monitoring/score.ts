import type { ServiceState } from '../../core/check.ts';

export interface ScoredService {
  readonly id: string;
  readonly name: string;
  readonly state: ServiceState;
  readonly critical: boolean;
}

export interface Deduction {
  readonly points: number;
  readonly reason: string;
  readonly resourceId: string;
}

export interface HealthScore {
  readonly score: number;
  readonly deductions: readonly Deduction[];
}

/** How much of its share a service in this state takes away; what was stopped on purpose takes nothing. */
const WEIGHT: Readonly<Record<ServiceState, number>> = {
  up: 0,
  pending: 0,
  stopped: 0,
  unknown: 0.3,
  degraded: 0.4,
  down: 1,
};
const CRITICAL_SHARE = 3;
/** One service that is down among hundreds must still be seen in the number. */
const LEAST_FOR_DOWN = 2;
const LEAST_FOR_CRITICAL_DOWN = 20;

/** 100 where all is well; each service takes away its share of the whole according to its state, a critical one three shares. */
export function healthScore(services: readonly ScoredService[]): HealthScore {
  const share = (critical: boolean): number => (critical ? CRITICAL_SHARE : 1);
  const whole = services.reduce((sum, { critical }) => sum + share(critical), 0);
  const deductions = services
    .filter(({ state }) => WEIGHT[state] > 0)
    .map(({ id, name, state, critical }) => {
      const proportional = (100 * share(critical) * WEIGHT[state]) / whole;
      const least = state === 'down' ? (critical ? LEAST_FOR_CRITICAL_DOWN : LEAST_FOR_DOWN) : 0;
      return {
        points: round(Math.max(proportional, least)),
        reason: `${critical ? 'critical ' : ''}${name} is ${state}`,
        resourceId: id,
      };
    })
    .toSorted((a, b) => b.points - a.points);
  return { score: Math.max(0, round(100 - deductions.reduce((sum, { points }) => sum + points, 0))), deductions };
}

export type OverallStatus = 'healthy' | 'degraded' | 'unhealthy' | 'unknown';

/** One word for all services together. */
export function overallStatus(services: readonly Pick<ScoredService, 'state'>[]): OverallStatus {
  const states = new Set(services.map(({ state }) => state));
  if (states.has('down')) return 'unhealthy';
  if (states.has('degraded')) return 'degraded';
  if (states.has('unknown')) return states.has('up') ? 'degraded' : 'unknown';
  return services.length === 0 || states.has('up') || states.has('stopped') ? 'healthy' : 'unknown';
}

function round(points: number): number {
  return Math.round(points * 10) / 10;
}
