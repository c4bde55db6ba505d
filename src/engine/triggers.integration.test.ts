import { sql } from 'kysely';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemActor } from '../core/actor.ts';
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

  /** From here on events are heard. */
  async function begin(): Promise<void> {
    await fixture.engine.start();
    const listening = async () => (await database.store.events.consumers()).map(({ consumer }) => consumer);
    await expect.poll(listening, polled).toContain('workflows');
  }
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
    await begin();
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

  /** The store takes no execution of it. */
  async function refuse(workflow: string, code = 'P0001'): Promise<void> {
    await sql`create function refuse() returns trigger language plpgsql as
      $$ begin raise exception 'nothing of % is stored', new.workflow using errcode = ${sql.lit(code)}; end $$`.execute(
      database.store.db,
    );
    await sql`create trigger refuse before insert on workflow_executions for each row
      when (new.workflow = ${sql.lit(workflow)}) execute function refuse()`.execute(database.store.db);
  }
  const register = async (): Promise<number> =>
    await database.store.db.transaction().execute(async (trx) => {
      const draft = { type: 'user.registered', data: { name: 'eve' }, actor: systemActor('test') } as const;
      return (await database.store.events.append(trx, draft)).id;
    });
  const told = async () => await database.store.events.read({ types: ['workflow.not-started'] });
  const by = (name: string, more: object = {}, event = 'user.registered') =>
    defineWorkflow({ ...aChain, name, triggers: [{ kind: 'event', event, ...more }], steps: [TICK] });

  it('starts though what stands before it in the list fails for good, and that is told once, by its name', async () => {
    fixture = engineOn(database.store, {
      workflows: [by('a_broken'), by('b_whole'), by('c_collects', { debounce: '1s' }), by('d_told', {}, 'workflow.*')],
    });
    await refuse('a_broken');
    await begin();
    const event = await register();
    await expect.poll(() => executions('b_whole'), polled).toHaveLength(1);
    await expect.poll(() => executions('c_collects'), polled).toHaveLength(1);
    await expect.poll(told, polled).toMatchObject([
      {
        subject: { kind: 'workflow', id: 'a_broken' },
        data: { event: { id: event, type: 'user.registered' }, error: { message: 'nothing of a_broken is stored' } },
        causation: { eventId: event },
        node: 'node_a',
      },
    ]);
    await expect
      .poll(() => database.store.events.deadLetters(), polled)
      .toMatchObject([{ eventId: event, reason: 'INTERNAL: a_broken: nothing of a_broken is stored' }]);
    // It was tried again and again, with all that had begun.
    expect(await executions('b_whole')).toHaveLength(1);
    expect(await executions('c_collects')).toHaveLength(1);
    expect(await told()).toHaveLength(1);
  }, 60_000);

  it('starts when its time has come though what was due before it fails for good', async () => {
    fixture = engineOn(database.store, {
      workflows: [by('a_broken', { debounce: '1s' }), by('b_whole', { debounce: '2s' })],
    });
    await refuse('a_broken');
    await begin();
    const event = await register();
    await expect.poll(() => executions('b_whole'), polled).toHaveLength(1);
    expect(await told()).toMatchObject([{ subject: { id: 'a_broken' }, causation: { eventId: event } }]);
  }, 60_000);

  it('starts when its time has come though what was due before it is tried again and again', async () => {
    fixture = engineOn(database.store, {
      workflows: [by('a_broken', { debounce: '1s' }), by('b_whole', { debounce: '2s' })],
    });
    await refuse('a_broken', '55P03');
    await begin();
    await register();
    await expect.poll(() => executions('b_whole'), polled).toHaveLength(1);
    expect(await told()).toEqual([]);
    await sql`drop trigger refuse on workflow_executions`.execute(database.store.db);
    await expect.poll(() => executions('a_broken'), polled).toHaveLength(1);
  }, 60_000);

  it('tells not of what cannot be started by being told of that', async () => {
    fixture = engineOn(database.store, { workflows: [by('a_broken', {}, 'workflow.not-started')] });
    await refuse('a_broken');
    await begin();
    await database.store.db.transaction().execute(async (trx) => {
      const draft = { type: 'workflow.not-started', data: {}, actor: systemActor('test') } as const;
      await database.store.events.append(trx, draft);
    });
    await expect.poll(() => database.store.events.deadLetters(), polled).toHaveLength(1);
    expect(await told()).toHaveLength(1);
  }, 60_000);
});
