import { answerOf, mean, type MeasureName, MEASURES, rounded, type Subject } from '../../core/measures.ts';
import { isAgent } from '../../core/health-report.ts';
import type { Figures, ServiceKind } from '../../core/performance-report.ts';
import type { WatchedService } from '../../core/ports/health.ts';
import type { MetricsPort } from '../../core/ports/metrics.ts';

export type PlainFigures = Omit<Figures, 'points'> & {
  readonly points: { readonly at: string; readonly value: number }[];
};

export interface Span {
  readonly from: Date;
  readonly to: Date;
  readonly stepMs: number;
}

const DATABASES = new Set(['postgres', 'mysql', 'redis']);

/** What was measured over a stretch of time, of each thing that has it. */
export async function measured(metrics: MetricsPort, measure: MeasureName, span: Span): Promise<Subject[]> {
  return await MEASURES[measure].subjects((name) => metrics.over(name, span));
}

/** Undefined where there is no step with a value. */
export function figuresOf({ values }: Pick<Subject, 'values'>): PlainFigures | undefined {
  const points = [...values].toSorted(([one], [other]) => one - other);
  const sorted = points.map(([, value]) => value).toSorted((one, other) => one - other);
  const [average, last] = [mean(sorted), points.at(-1)];
  if (average === undefined || last === undefined) return undefined;
  return {
    mean: rounded(average),
    p95: rounded(sorted[Math.ceil(0.95 * sorted.length) - 1] ?? last[1]),
    highest: rounded(sorted.at(-1) ?? last[1]),
    last: rounded(last[1]),
    points: points.map(([at, value]) => ({ at: new Date(at).toISOString(), value: rounded(value) })),
  };
}

export function kindOf({ resource, kinds }: Pick<WatchedService, 'resource' | 'kinds'>): ServiceKind {
  if (isAgent(resource)) return 'agent';
  if (resource.product === 'ollama' || kinds.includes('models')) return 'model';
  return kinds.some((kind) => DATABASES.has(kind)) ? 'database' : 'service';
}

/** By how the answers of its checks are called. */
export function kindsByAnswer(services: readonly WatchedService[]): ReadonlyMap<string, ServiceKind> {
  return new Map(
    services.flatMap((service) =>
      service.kinds.map(
        (check) => [answerOf({ labels: { service: service.resource.name, check } }), kindOf(service)] as const,
      ),
    ),
  );
}
