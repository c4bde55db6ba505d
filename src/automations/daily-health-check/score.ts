import type { HealthFindings, HealthItem } from '../../core/health-report.ts';

const POINTS = { failed: 10, warning: 3 } as const;
const CRITICAL_POINTS = 25;

/** 100 less what each failed or doubtful item takes; what is critical takes more. */
export function scoreOf(
  items: readonly HealthItem[],
): Pick<HealthFindings, 'score' | 'deductions' | 'failed' | 'warnings'> {
  const deductions = items
    .flatMap(({ state, critical, name, group, message }) => {
      if (state !== 'failed' && state !== 'warning') return [];
      const points = state === 'failed' && critical ? CRITICAL_POINTS : POINTS[state];
      return [{ points, reason: `${group}: ${critical ? 'critical ' : ''}${name}: ${message}`.slice(0, 300) }];
    })
    .toSorted((a, b) => b.points - a.points);
  const lost = deductions.reduce((sum, { points }) => sum + points, 0);
  return {
    score: Math.max(0, 100 - lost),
    deductions,
    failed: items.filter(({ state }) => state === 'failed').length,
    warnings: items.filter(({ state }) => state === 'warning').length,
  };
}
