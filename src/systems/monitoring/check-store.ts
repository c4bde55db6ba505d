import { type Kysely, sql } from 'kysely';
import type { Check, ServiceState } from '../../core/check.ts';
import { canonicalJson } from '../../core/json.ts';
import type { CheckState } from './state.ts';
import type { MonitoringTables } from './tables.ts';

export interface StoredCheck {
  readonly check: Check;
  /** By which its results are kept. */
  readonly number: number;
  readonly node: string;
  readonly retired: boolean;
  readonly state: CheckState | undefined;
}

/** What is stored of the checks of these resources, retired ones included. */
export async function loadChecks(
  db: Kysely<MonitoringTables>,
  resourceIds: readonly string[],
): Promise<Map<string, StoredCheck[]>> {
  const rows = await db
    .selectFrom('checks')
    .leftJoin('check_states', 'check_states.check_id', 'checks.id')
    .select([
      'id',
      'number',
      'node',
      'resource_id',
      'target',
      'timing',
      'origin',
      'retired_at',
      'state',
      'since',
      'failures',
      'successes',
      'failed_at',
      'at',
      'last',
      'recent',
      'flapping',
    ])
    .where(sql<boolean>`resource_id = any(${resourceIds}::text[])`)
    .execute();
  const byResource = Map.groupBy(rows, ({ resource_id }) => resource_id);
  return new Map(
    [...byResource].map(([resourceId, group]) => [
      resourceId,
      group.map(
        ({
          id,
          number,
          node,
          target,
          timing,
          origin,
          retired_at,
          state,
          since,
          failures,
          successes,
          failed_at,
          at,
          last,
          recent,
          flapping,
        }) => ({
          check: { ...timing, id, resourceId, target, origin },
          number,
          node,
          retired: retired_at !== null,
          state:
            state === null || since === null
              ? undefined
              : {
                  state,
                  since,
                  failures: failures ?? 0,
                  successes: successes ?? 0,
                  failedAt: failed_at ?? undefined,
                  at: at ?? undefined,
                  last: last ?? undefined,
                  recent: recent ?? '',
                  flapping: flapping ?? false,
                },
        }),
      ),
    ]),
  );
}

/** Of all nodes. */
export async function sharedChecks(db: Kysely<MonitoringTables>): Promise<Check[]> {
  const rows = await db
    .selectFrom('checks')
    .select(['id', 'resource_id', 'target', 'timing', 'origin'])
    .where('retired_at', 'is', null)
    .where(sql<boolean>`timing -> 'places' is not null`)
    .orderBy('id')
    .execute();
  return rows.map(({ id, resource_id, target, timing, origin }) => ({
    ...timing,
    id,
    resourceId: resource_id,
    target,
    origin,
  }));
}

export async function loadStatuses(
  db: Kysely<MonitoringTables>,
  resourceIds: readonly string[],
): Promise<Map<string, { state: ServiceState; since: Date }>> {
  const rows = await db
    .selectFrom('service_statuses')
    .select(['resource_id', 'state', 'since'])
    .where(sql<boolean>`resource_id = any(${resourceIds}::text[])`)
    .execute();
  return new Map(rows.map(({ resource_id, state, since }) => [resource_id, { state, since }]));
}

/** Nothing of it is to be written: most are as they were, each time the inventory is compared. */
export function isStored(check: Check, row: StoredCheck | undefined, node: string): boolean {
  return row !== undefined && !row.retired && row.node === node && canonicalJson(row.check) === canonicalJson(check);
}

/** Stores the checks and gives the number by which each one's results are kept. */
export async function storeChecks(
  db: Kysely<MonitoringTables>,
  checks: readonly Check[],
  node: string,
  at: Date,
): Promise<Map<string, number>> {
  if (checks.length === 0) return new Map();
  const rows = checks.map(({ id, resourceId, target, origin, ...timing }) => ({
    id,
    resource_id: resourceId,
    kind: target.kind,
    target,
    timing,
    origin,
  }));
  const { rows: stored } = await sql<{ id: string; number: number }>`
    insert into checks (id, resource_id, node, kind, target, timing, origin, created_at)
    select id, resource_id, ${node}, kind, target, timing, origin, ${at}
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as c (id text, resource_id text, kind text, target jsonb, timing jsonb, origin text)
    on conflict (id) do update set node = excluded.node, target = excluded.target, timing = excluded.timing, origin = excluded.origin, retired_at = null
    returning id, number`.execute(db);
  return new Map(stored.map(({ id, number }) => [id, number]));
}

export async function retireChecks(db: Kysely<MonitoringTables>, ids: readonly string[], at: Date): Promise<void> {
  await db
    .updateTable('checks')
    .set({ retired_at: at })
    .where(sql<boolean>`id = any(${ids}::text[])`)
    .execute();
}
