import type { Kysely } from 'kysely';
import type { Check } from '../../core/check.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Meter, Reading } from '../../core/metric.ts';
import type { PlaceTables } from './tables.ts';

const UP: Readonly<Record<string, number>> = { up: 1, degraded: 0.5, down: 0 };

/** What places saw last of the checks of this node, each kept with the time at which it was seen. */
export function createPlaceMeter(deps: {
  readonly db: Kysely<PlaceTables>;
  readonly sharedChecks: () => Promise<readonly Check[]>;
  readonly inventory: Pick<Inventory, 'get'>;
  readonly node: string;
}): Meter {
  return {
    async read() {
      const sightings = await deps.db
        .selectFrom('place_sightings as s')
        .innerJoin('places as p', 'p.id', 's.place_id')
        .select(['s.check_id', 'p.name', 's.at', 's.state', 's.latency_ms'])
        .where('p.removed_at', 'is', null)
        .execute();
      if (sightings.length === 0) return [];
      const checks = new Map((await deps.sharedChecks()).map((check) => [check.id, check]));
      const readings: Reading[] = [];
      for (const { check_id: id, name: place, at, state, latency_ms: latencyMs } of sightings) {
        const check = checks.get(id);
        const resource = check && (await deps.inventory.get(check.resourceId));
        const up = UP[state];
        if (!check || resource?.node !== deps.node || up === undefined) continue;
        const about = {
          labels: { service: resource.name, check: check.target.kind, id, place },
          resourceId: resource.id,
          at,
        };
        readings.push({ ...about, name: 'steward_place_up', value: up });
        if (up > 0) readings.push({ ...about, name: 'steward_place_latency_seconds', value: latencyMs / 1_000 });
      }
      return readings;
    },
  };
}
