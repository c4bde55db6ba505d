import { type Meter, type Reading, reading } from '../../core/metric.ts';
import type { Figures } from './figures.ts';
import type { Upstream } from './upstream.ts';

/** What the gateway of this node does; nothing while it has nothing to do. */
export function createGatewayMeter({
  figures,
  upstreams,
}: {
  readonly figures: Figures;
  readonly upstreams: () => readonly Upstream[];
}): Meter {
  return {
    async read() {
      if (upstreams().length === 0) return [];
      const readings: Reading[] = [];
      for (const [status, count] of Object.entries(figures.byStatus))
        readings.push(reading('steward_gateway_requests_total', count, { status }));
      for (const [rule, count] of Object.entries(figures.refusals))
        readings.push(reading('steward_gateway_refusals_total', count, { rule }));
      for (const [quantile, share] of Object.entries({ p50: 0.5, p95: 0.95, p99: 0.99 })) {
        const ms = figures.total.quantile(share);
        if (ms !== undefined) readings.push(reading('steward_gateway_latency_seconds', ms / 1_000, { quantile }));
      }
      for (const upstream of upstreams())
        for (const { name, health, breaker } of upstream.state())
          readings.push(
            reading('steward_gateway_target_usable', health === 'down' || breaker === 'open' ? 0 : 1, {
              upstream: upstream.name,
              target: name,
            }),
          );
      return readings;
    },
  };
}
