import type { DatabaseLook } from '../../core/database/look.ts';
import { type Meter, type MetricName, type Reading, reading } from '../../core/metric.ts';

export interface Measured extends Meter {
  /** What a look says stays true until the next one. */
  note(look: DatabaseLook, resourceId: string | undefined): void;
  /** What cannot be looked at leaves a gap, never an old value. */
  forget(source: string): void;
  keepOnly(sources: readonly string[]): void;
}

/** The looks that are made anyway, as measured values. */
export function createMeasured(): Measured {
  const latest = new Map<string, readonly Reading[]>();
  return {
    note: (look, resourceId) => void latest.set(look.source, readingsOf(look, resourceId)),
    forget: (source) => void latest.delete(source),
    keepOnly(sources) {
      for (const source of latest.keys()) if (!sources.includes(source)) latest.delete(source);
    },
    read: async () => [...latest.values()].flat(),
  };
}

export function readingsOf(look: DatabaseLook, resourceId?: string): Reading[] {
  const { source, kind, connections, databases, partial, operations, cacheHitRatio, replicas = [] } = look;
  const of = (name: MetricName, value: number | undefined): Reading[] =>
    value === undefined
      ? []
      : [
          {
            ...reading(name, value, { source, kind }),
            at: new Date(look.at),
            ...(resourceId !== undefined && { resourceId }),
          },
        ];
  const worst = (lags: readonly (number | null)[]): number | undefined => {
    const known = lags.filter((lag) => lag !== null);
    return known.length === 0 ? undefined : Math.max(...known);
  };
  return [
    ...of('steward_database_connections', connections?.used),
    ...of('steward_database_connections_limit', connections?.limit),
    // The sum of some databases would be a fall.
    ...of('steward_database_bytes', partial ? undefined : databases.reduce((sum, { bytes }) => sum + bytes, 0)),
    ...of('steward_database_operations_total', operations),
    ...of('steward_database_cache_hit_ratio', cacheHitRatio),
    ...of('steward_database_replication_lag_seconds', worst(replicas.map(({ lagSeconds }) => lagSeconds))),
    ...of('steward_database_replication_lag_bytes', worst(replicas.map(({ lagBytes }) => lagBytes))),
  ];
}
