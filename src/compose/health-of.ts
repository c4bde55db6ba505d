import type { Inventory } from '../core/inventory.ts';
import type { HealthPort, HealthThresholds } from '../core/ports/health.ts';
import type { Monitoring } from '../systems/monitoring/index.ts';

/** What monitoring knows of a node, in the words of the health report. */
export function healthOf({
  monitoring,
  inventory,
  node,
  thresholds,
  logFiles,
}: {
  readonly monitoring: Pick<Monitoring, 'report'>;
  readonly inventory: Pick<Inventory, 'find'>;
  readonly node: string;
  readonly thresholds: () => HealthThresholds;
  readonly logFiles: HealthPort['logFiles'];
}): HealthPort {
  return {
    thresholds: async () => thresholds(),
    logFiles,
    async services() {
      const [{ services, overall }, resources] = await Promise.all([
        monitoring.report(),
        inventory.find({ node, state: 'present' }),
      ]);
      const known = new Map(resources.map((resource) => [resource.id, resource]));
      const messages = new Map(overall.components.map(({ id, message }) => [id, message]));
      return services.flatMap(({ resourceId, state, uptimePercent, checks }) => {
        const resource = known.get(resourceId);
        // The machine itself is measured by the report, more closely.
        if (!resource || resource.kind !== 'service' || resource.adoption === 'ignored') return [];
        const message = messages.get(resourceId) ?? '';
        return [{ resource, state, message, uptimePercent, kinds: checks.map(({ kind }) => kind) }];
      });
    },
  };
}
