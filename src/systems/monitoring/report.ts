import type { Kysely } from 'kysely';
import type { Inventory } from '../../core/inventory.ts';
import type { Maintenance } from '../../core/maintenance.ts';
import type { ServiceStatus } from '../../core/monitor.ts';
import { uptimes } from './availability.ts';
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
    /** What is being done to it right now. */
    readonly maintenance?: string;
  })[];
  readonly overall: Overall;
}

export interface ReportParts {
  readonly db: Kysely<MonitoringTables>;
  readonly inventory: Inventory;
  /** Time in which work was going on counts neither as up nor as down. */
  readonly maintenance?: Pick<Maintenance, 'activeFor' | 'during'> | undefined;
  all(): Promise<ServiceStatus[]>;
}

const DAY_MS = 86_400_000;

/** Every service with its state and its uptime, and what they are together. */
export async function healthReport({ db, inventory, all, maintenance }: ReportParts, now: Date): Promise<HealthReport> {
  const since = new Date(now.getTime() - DAY_MS);
  const [statuses, resources] = await Promise.all([all(), inventory.find({ state: 'all' })]);
  const excused = (await maintenance?.during(resources, since, now)) ?? [];
  const up = await uptimes(db, since, now, excused);
  const byId = new Map(resources.map((resource) => [resource.id, resource]));
  // Only what a recorded window touches can be in maintenance now, and that is little.
  const touched = new Set(excused.filter(({ until }) => until > now).map(({ resourceId }) => resourceId));
  const services = await Promise.all(
    statuses.map(async (status) => {
      const resource = byId.get(status.resourceId);
      const window = resource && touched.has(resource.id) ? await maintenance?.activeFor(resource, now) : undefined;
      return {
        ...status,
        name: resource?.name ?? status.resourceId,
        critical: resource?.critical ?? false,
        uptimePercent: up.get(status.resourceId),
        ...(window && { maintenance: window.reason }),
      };
    }),
  );
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
