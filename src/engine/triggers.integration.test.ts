import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { defineWorkflow } from '../core/workflow.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { aChain, type EngineFixture, engineOn, operator } from '../testing/engine.ts';
import databaseMaintenance from '../workflows/database-maintenance.ts';
import { engineMigrations } from './tables.ts';

const TICK = { id: 'count', title: 'count', automation: 'count-lines', input: () => ({ file: '/nowhere' }) } as const;
const polled = { timeout: 20_000, interval: 50 };

describe('what starts by events', () => {
  let database: TestDatabase;
  let fixture: EngineFixture;

  beforeEach(async () => {
    database = await testDatabase({ migrations: engineMigrations });
  });
  afterEach(async () => {
    await fixture?.engine.stop();
    await database.drop();
  });

  const executions = async (name: string) =>
    (await fixture.engine.workflows.executions(name, { limit: 50 })).items.map(({ id }) => id);
  const execute = async (name: string, dryRun = false): Promise<string> =>
    (await fixture.engine.workflows.execute(name, { context: {}, trigger: 'api', actor: operator, dryRun })).id;
  const status = async (id: string): Promise<string | undefined> =>
    (await fixture.engine.workflows.execution(id))?.status;

  it('starts by what was done, and not by what was only planned', async () => {
    fixture = engineOn(database.store, {
      workflows: [
        defineWorkflow({ ...aChain, name: 'full_backup', triggers: [], steps: [TICK] }),
        databaseMaintenance,
        defineWorkflow({
          ...aChain,
          name: 'waits',
          triggers: [],
          steps: [
            { id: 'backup', title: 'backup', wait: { event: 'workflow.finished', timeout: '1m', onTimeout: 'fail' } },
          ],
        }),
      ],
    });
    await fixture.engine.start();
    const waiting = await execute('waits');
    await expect.poll(() => status(waiting), polled).toBe('waiting');
    const dry = await execute('full_backup', true);
    await expect.poll(() => status(dry), polled).toBe('succeeded');
    // Events are handled in their order: whoever comes to this one came to that one before.
    const real = await execute('full_backup');
    await expect.poll(() => executions('database_maintenance'), polled).not.toEqual([]);
    const started = (await fixture.engine.workflows.executions('database_maintenance', { limit: 50 })).items;
    expect(started.map(({ context }) => context['executionId'])).toEqual([real]);
    await expect.poll(() => status(waiting), polled).toBe('succeeded');
    const { outputs } = (await fixture.engine.workflows.execution(waiting)) ?? {};
    expect(outputs).toMatchObject({ backup: { event: { data: { executionId: real } } } });
  }, 60_000);
});
