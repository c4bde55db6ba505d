import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CATEGORIES } from '../core/automation.ts';
import { createCatalog } from '../core/catalog.ts';
import { testDatabase, type TestDatabase } from '../testing/database.ts';
import { appendLines, countLines } from '../testing/engine.ts';
import { createFamilies, familyMigrations } from './families.ts';
import { engineMigrations } from './tables.ts';

describe('the families of operations', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await testDatabase({ migrations: [...engineMigrations, ...familyMigrations] });
    const catalog = createCatalog({ automations: [appendLines, countLines], operations: [], workflows: [] });
    const families = createFamilies({ store: database.store, catalog: () => catalog });
    await families.start();
    // A version in which one of them moved.
    await families.start();
    await sql`insert into runs (id, automation, version, effect, status, stage, round, dry_run, trigger, actor, causation, node, queue,
        lock, input, approval, phases, checks, created_at, started_at, finished_at)
      select 'run_' || name, name, 1, 'write', 'succeeded', 'apply', 1, false, 'cli', '{"name":"bot","role":"agent","onBehalfOf":"ada"}', '{}',
        'n1', 'q', 'l', '{}', '{"by":"eve"}', '[]', '[]', now(), now(), now() + interval '1.5 seconds'
      from unnest(array['append-lines', 'count-lines', 'gone-automation']) as name`.execute(database.store.db);
  });
  afterAll(() => database.drop());

  it('have a view each', async () => {
    for (const category of CATEGORIES) {
      const { rows } = await sql<{ family: string }>`select * from ${sql.id(`${category}_operations`)}`.execute(
        database.store.db,
      );
      for (const { family } of rows) expect(family).toBe(category);
    }
  });

  it('show who had what done, and how it went', async () => {
    const { rows } = await sql`select * from maintenance_operations`.execute(database.store.db);

    expect(rows).toMatchObject([
      {
        automation: 'append-lines',
        status: 'succeeded',
        actor: 'bot',
        on_behalf_of: 'ada',
        approved_by: 'eve',
        duration_ms: 1_500,
        changes: 0,
      },
    ]);
    const health = await sql`select automation from health_operations`.execute(database.store.db);
    expect(health.rows).toEqual([{ automation: 'count-lines' }]);
  });
});
