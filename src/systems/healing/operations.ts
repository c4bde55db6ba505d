import { sql } from 'kysely';
import { z } from 'zod';
import type { RestartCounts } from '../../core/health-report.ts';
import type { Inventory } from '../../core/inventory.ts';
import { type AnyOperation, defineQuery } from '../../core/operation.ts';
import type { Runbook } from '../../core/runbook.ts';
import type { Store } from '../../store/store.ts';
import { attemptView, AttemptView } from './attempt-view.ts';
import type { HealingSettings } from './settings.ts';
import { type AttemptStatus, type HealingTables, UNDISTURBING } from './tables.ts';

const HOUR_MS = 3_600_000;

export interface HealingStats {
  readonly attempts: number;
  readonly successful: number;
}

export async function healingStats(store: Store): Promise<HealingStats> {
  const { rows } =
    await sql<HealingStats>`select count(*) as attempts, count(*) filter (where status = 'succeeded' and recurred_at is null) as successful from healing_attempts`.execute(
      store.db,
    );
  return rows[0] ?? { attempts: 0, successful: 0 };
}

/** Restarts since then that have ended, for each of these resources that had any. */
export async function restartsOf(
  store: Store,
  resourceIds: readonly string[],
  since: Date,
): Promise<Map<string, RestartCounts>> {
  const rows = await store.db
    .withTables<HealingTables>()
    .selectFrom('healing_attempts')
    .select(['resource_id', 'status'])
    .where('resource_id', 'in', [...resourceIds, ''])
    .where('automation', '=', 'restart-service')
    .where('finished_at', '>=', since)
    .execute();
  const count = (group: typeof rows, wanted: AttemptStatus): number =>
    group.filter(({ status }) => status === wanted).length;
  return new Map(
    [...Map.groupBy(rows, ({ resource_id }) => resource_id)].map(([id, group]) => [
      id,
      { succeeded: count(group, 'succeeded'), failed: count(group, 'failed') },
    ]),
  );
}

/** The query about healing: what it may do, what it did, what helped. */
export function healingOperations({
  store,
  inventory,
  runbooks,
  settings,
}: {
  store: Store;
  inventory: Inventory;
  runbooks: () => readonly Runbook[];
  settings: () => HealingSettings;
}): AnyOperation[] {
  const db = store.db.withTables<HealingTables>();
  const nameOf = async (id: string): Promise<string> => (await inventory.get(id))?.name ?? id;

  return [
    defineQuery({
      name: 'healing',
      title: 'Healing',
      summary: 'Shows the attempts made to heal, what is left of the budgets, and how often each runbook helped.',
      permission: 'read',
      input: z.object({
        resource: z.string().optional().describe('Only the resource with this id.'),
        limit: z.coerce.number().int().min(1).max(500).default(50).describe('At most this many attempts.'),
      }),
      output: z.object({
        enabled: z.boolean(),
        mode: z.enum(['act', 'observe']),
        attemptsPerIncident: z.number().int(),
        attemptsPerHour: z.number().int(),
        disruptivePerHour: z.number().int().describe('For all resources and nodes together.'),
        disruptiveThisHour: z.number().int(),
        stats: z.object({ attempts: z.number().int(), successful: z.number().int() }),
        runbooks: z.array(
          z.object({
            name: z.string(),
            title: z.string(),
            automation: z.string(),
            attempts: z.number().int(),
            successful: z.number().int(),
            successRate: z.number().nullable(),
          }),
        ),
        budgets: z
          .array(
            z.object({
              resourceId: z.string(),
              service: z.string(),
              usedThisHour: z.number().int(),
              left: z.number().int(),
              nextFreeAt: z.coerce.date().optional(),
            }),
          )
          .describe('Resources with disruptive attempts within the last hour.'),
        attempts: z.array(AttemptView).describe('The latest first.'),
      }),
      async handle({ resource, limit }, { now }) {
        const { enabled, mode, attempts: attemptsPerIncident, perHour, disruptivePerHour } = settings();
        const [stats, byRunbook, lastHour, rows] = await Promise.all([
          healingStats(store),
          db
            .selectFrom('healing_attempts')
            .select([
              'runbook',
              sql<number>`count(*) filter (where status in ('succeeded', 'failed'))`.as('decided'),
              sql<number>`count(*) filter (where status = 'succeeded' and recurred_at is null)`.as('successful'),
            ])
            .groupBy('runbook')
            .execute(),
          db
            .selectFrom('healing_attempts')
            .select(['resource_id', 'started_at', 'status'])
            .where('disruptive', '=', true)
            .where('started_at', '>', new Date(now.getTime() - HOUR_MS))
            .orderBy('started_at')
            .execute(),
          db
            .selectFrom('healing_attempts')
            .selectAll()
            .$if(resource !== undefined, (query) => query.where('resource_id', '=', resource as string))
            .orderBy('id', 'desc')
            .limit(limit)
            .execute(),
        ]);
        const measured = new Map(byRunbook.map((row) => [row.runbook, row]));
        const recent = lastHour.filter(({ resource_id }) => resource === undefined || resource_id === resource);
        return {
          enabled,
          mode,
          attemptsPerIncident,
          attemptsPerHour: perHour,
          disruptivePerHour,
          disruptiveThisHour: lastHour.filter(({ status }) => !UNDISTURBING.includes(status)).length,
          stats,
          runbooks: runbooks().map(({ name, title, automation }) => {
            const { decided = 0, successful = 0 } = measured.get(name) ?? {};
            return {
              name,
              title,
              automation,
              attempts: decided,
              successful,
              successRate: decided === 0 ? null : successful / decided,
            };
          }),
          budgets: await Promise.all(
            [...Map.groupBy(recent, ({ resource_id }) => resource_id)].map(async ([resourceId, used]) => {
              const oldest = used[Math.max(0, used.length - perHour)];
              const left = Math.max(0, perHour - used.length);
              return {
                resourceId,
                service: await nameOf(resourceId),
                usedThisHour: used.length,
                left,
                ...(left === 0 && oldest && { nextFreeAt: new Date(oldest.started_at.getTime() + HOUR_MS) }),
              };
            }),
          ),
          attempts: await Promise.all(rows.map((row) => attemptView(row, inventory))),
        };
      },
    }),
  ];
}
