import type { ProbeResult } from '../../core/check.ts';
import type { Reading } from '../../core/metric.ts';
import type { WatchedHere } from '../../core/monitor.ts';

const UP: Readonly<Record<string, number>> = { up: 1, degraded: 0.5, down: 0 };

/** What monitoring learned last of each check of this node; nothing is asked of the world again. */
export function checkReadings(watched: readonly WatchedHere[]): Reading[] {
  return watched.flatMap(({ resource, status }) =>
    status.checks.flatMap(({ id, kind, at, last }) => {
      const up = last && UP[last.state];
      if (at === undefined || last === undefined || up === undefined) return [];
      const about = { labels: { service: resource.name, check: kind, id }, resourceId: resource.id, at };
      return [
        { ...about, name: 'steward_check_up' as const, value: up },
        // How long a refusal took says nothing about the service.
        ...(up > 0
          ? [{ ...about, name: 'steward_check_latency_seconds' as const, value: last.latencyMs / 1_000 }]
          : []),
        ...(kind === 'models' ? ofModels(last.detail, about) : []),
      ];
    }),
  );
}

/** What a server of models has, and how long it took; a detail that its answer did not have is left out. */
function ofModels(detail: ProbeResult['detail'], about: Omit<Reading, 'name' | 'value'>): Reading[] {
  const { check: _, ...labels } = about.labels;
  const { count, listMs, slowestMs } = detail;
  const took = (what: string, ms: unknown): Reading[] =>
    typeof ms === 'number'
      ? [{ ...about, name: 'steward_model_server_answer_seconds', labels: { ...labels, what }, value: ms / 1_000 }]
      : [];
  return [
    ...(typeof count === 'number'
      ? [{ ...about, name: 'steward_model_server_models' as const, labels, value: count }]
      : []),
    ...took('list', listMs),
    ...took('model', slowestMs),
  ];
}
