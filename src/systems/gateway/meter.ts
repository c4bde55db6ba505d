import { type Meter, type Reading, reading } from '../../core/metric.ts';
import type { Serving } from './messages.ts';

/** What the gateway of this node does; nothing while it has nothing to do. */
export function createGatewayMeter({ serving }: { readonly serving: () => Promise<Serving | undefined> }): Meter {
  return {
    async read() {
      const now = await serving();
      if (!now) return [];
      const readings: Reading[] = [];
      for (const [status, count] of Object.entries(now.byStatus))
        readings.push(reading('steward_gateway_requests_total', count, { status }));
      for (const [rule, count] of Object.entries(now.refusals))
        readings.push(reading('steward_gateway_refusals_total', count, { rule }));
      for (const [quantile, ms] of Object.entries(now.milliseconds))
        readings.push(reading('steward_gateway_latency_seconds', ms / 1_000, { quantile }));
      for (const { name: upstream, targets } of now.upstreams)
        for (const { name, health, breaker } of targets)
          readings.push(
            reading('steward_gateway_target_usable', health === 'down' || breaker === 'open' ? 0 : 1, {
              upstream,
              target: name,
            }),
          );
      return readings;
    },
  };
}
