import { createHash } from 'node:crypto';
import type { Kysely } from 'kysely';
import { ms } from '../../core/duration.ts';
import type { MaintenanceScope, MaintenanceWindow, NextInstant } from '../../core/maintenance.ts';
import type { Schedule } from '../../core/schedule.ts';
import type { MaintenanceTables } from './tables.ts';

/** A window of steward.yaml: one that recurs has a schedule and a duration, one that comes once has its two ends. */
export interface ConfiguredMaintenance {
  readonly name: string;
  readonly scope: MaintenanceScope;
  readonly when:
    | { readonly schedule: Schedule; readonly duration: string }
    | { readonly from: Date; readonly until: Date };
}

/** Something that opens windows by the clock. */
export interface MaintenancePlan {
  readonly id: string;
  readonly kind: 'recurring' | 'configured';
  readonly reason: string;
  readonly actor: string;
  readonly scope: MaintenanceScope;
  readonly when: ConfiguredMaintenance['when'];
}

export async function storedPlans(db: Kysely<MaintenanceTables>): Promise<MaintenancePlan[]> {
  const rows = await db
    .selectFrom('maintenance_plans')
    .selectAll()
    .where('removed_at', 'is', null)
    .orderBy('created_at')
    .execute();
  return rows.map(({ id, reason, actor, scope, schedule, duration }) => ({
    id,
    kind: 'recurring',
    reason,
    actor,
    scope,
    when: { schedule, duration },
  }));
}

/** Those of this machine's steward.yaml; each is about this machine, unless it names others. */
export function configuredPlans(configured: readonly ConfiguredMaintenance[], node: string): MaintenancePlan[] {
  return configured.map(({ name, scope, when }) => ({
    id: `cfg_${createHash('sha256').update(`${node}\n${name}`).digest('hex').slice(0, 16)}`,
    kind: 'configured',
    reason: name,
    actor: 'steward.yaml',
    scope: scope.nodes.length > 0 ? scope : { ...scope, within: node },
    when,
  }));
}

/** The window that a plan has open at this instant. Its id is the same on every node. */
export function windowOf(plan: MaintenancePlan, at: Date, next: NextInstant): MaintenanceWindow | undefined {
  const { id, kind, reason, actor, scope, when } = plan;
  const span = 'schedule' in when ? spanAt(when, at, next) : when;
  if (!span || span.from > at || span.until <= at) return undefined;
  return {
    id: `${id}@${span.from.toISOString()}`,
    kind,
    reason,
    actor,
    scope,
    startsAt: span.from,
    endsAt: span.until,
  };
}

function spanAt(
  { schedule, duration }: { schedule: Schedule; duration: string },
  at: Date,
  next: NextInstant,
): { from: Date; until: Date } | undefined {
  // What began no longer ago than it lasts is still open; nothing needs to be remembered for that.
  const length = ms(duration);
  const from = next(schedule, new Date(at.getTime() - length));
  return from && from <= at ? { from, until: new Date(from.getTime() + length) } : undefined;
}

/** When a plan opens next; undefined where it never does again. */
export function nextOpening({ when }: MaintenancePlan, after: Date, next: NextInstant): Date | undefined {
  if ('schedule' in when) return next(when.schedule, after);
  return when.from > after ? when.from : undefined;
}
