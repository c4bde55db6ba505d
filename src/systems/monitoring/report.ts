import type { Kysely } from 'kysely';
import type { Inventory } from '../../core/inventory.ts';
import type { ServiceStatus } from '../../core/monitor.ts';
import { uptimes } from './history.ts';
import { type HealthScore, type OverallStatus, healthScore, overallStatus } from './score.ts';
import type { MonitoringTables } from './tables.ts';

/** What the status shape shows of monitoring. */
export interface Overall {
  readonly overall_status: OverallStatus;
  readonly components: readonly {
    readonly id: string;
    readonly name: string;
    readonly status: string;
    readonly since: Date;
    readonly message: string;
  }[];
  readonly stats: { readonly total_checks: number; readonly healthy: number };
}

export interface HealthReport extends HealthScore {
  readonly services: readonly (ServiceStatus & {
    readonly name: string;
    readonly critical: boolean;
    readonly uptimePercent: number | undefined;
  })[];
  readonly overall: Overall;
}

export interface ReportParts {
  readonly db: Kysely<MonitoringTables>;
  readonly inventory: Inventory;
  all(): Promise<ServiceStatus[]>;
}

const DAY_MS = 86_400_000;

/** Every service with its state and its uptime, and what they are together. */
export async function healthReport({ db, inventory, all }: ReportParts, now: Date): Promise<HealthReport> {
  const [statuses, resources, up] = await Promise.all([
    all(),
    inventory.find({ state: 'all' }),
    uptimes(db, new Date(now.getTime() - DAY_MS), now),
  ]);
  const byId = new Map(resources.map((resource) => [resource.id, resource]));
  const services = statuses.map((status) => {
    const resource = byId.get(status.resourceId);
    return {
      ...status,
      name: resource?.name ?? status.resourceId,
      critical: resource?.critical ?? false,
      uptimePercent: up.get(status.resourceId),
    };
  });
  const checks = services.flatMap(({ checks: its }) => its);
  return {
    ...healthScore(
      services.map(({ resourceId, name, state, critical }) => ({ id: resourceId, name, state, critical })),
    ),
    services,
    overall: {
      overall_status: overallStatus(services),
      components: services.map(({ resourceId, name, state, since, checks: its }) => ({
        id: resourceId,
        name,
        status: state,
        since,
        message: messageOf(state, its),
      })),
      stats: { total_checks: checks.length, healthy: checks.filter(({ state }) => state === 'up').length },
    },
  };
}

function messageOf(state: string, checks: ServiceStatus['checks']): string {
  return (
    (checks.find((check) => check.state === state && check.last) ?? checks.find(({ last }) => last))?.last?.message ??
    ''
  );
}
