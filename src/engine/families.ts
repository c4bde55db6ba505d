import { sql } from 'kysely';
import type { Catalog } from '../core/catalog.ts';
import type { System } from '../core/system.ts';
import type { Migration } from '../store/migrator.ts';
import type { Store } from '../store/store.ts';

/** As they were when the views were made; a category that is added gets its view by a migration of its own. */
const FAMILIES = [
  'health',
  'healing',
  'backup',
  'database',
  'deploy',
  'certificates',
  'logs',
  'security',
  'updates',
  'maintenance',
  'documentation',
  'integration',
];

/** One view of the runs for each family of operations: health_operations, backup_operations and so on. */
export const familyMigrations: readonly Migration[] = [
  {
    name: 'families/0001-operations',
    async up(db) {
      await sql`create table operation_families (automation text primary key, family text not null)`.execute(db);
      await sql`create view operations as
        select f.family, r.id, r.automation, r.version, r.effect, r.status, r.dry_run, r.trigger,
          r.actor->>'name' as actor, r.actor->>'role' as role, r.actor->>'onBehalfOf' as on_behalf_of, r.reason,
          r.node, r.target_id, r.target->>'name' as target, r.decision, r.decision_rule, r.approval->>'by' as approved_by,
          r.created_at, r.started_at, r.finished_at, round(extract(epoch from r.finished_at - r.started_at) * 1000)::bigint as duration_ms,
          (select count(*) from run_changes c where c.run_id = r.id and c.status = 'done')::integer as changes_done,
          (select count(*) from run_changes c where c.run_id = r.id)::integer as changes,
          r.error->>'code' as error_code, r.error->>'message' as error
        from runs r join operation_families f on f.automation = r.automation`.execute(db);
      for (const family of FAMILIES) {
        await sql`create view ${sql.id(`${family}_operations`)} as select * from operations where family = ${sql.lit(family)}`.execute(
          db,
        );
      }
    },
  },
];

type FamilyTables = { operation_families: { automation: string; family: string } };

/** Keeps which automation belongs to which family; one that is gone keeps its place, for its runs are still there. */
export function createFamilies({
  store,
  catalog,
}: {
  readonly store: Pick<Store, 'db'>;
  readonly catalog: () => Pick<Catalog, 'automations'>;
}): System {
  return {
    name: 'operation families',
    operations: [],
    jobs: [],
    async start() {
      const values = [...catalog().automations.values()].map(({ name, category }) => ({
        automation: name,
        family: category,
      }));
      if (values.length === 0) return;
      await store.db
        .withTables<FamilyTables>()
        .insertInto('operation_families')
        .values(values)
        .onConflict((conflict) =>
          conflict.column('automation').doUpdateSet((row) => ({ family: row.ref('excluded.family') })),
        )
        .execute();
    },
    async stop() {},
  };
}
