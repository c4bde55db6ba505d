import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defineWorkflow } from '../core/workflow.ts';
import { byTheClock } from '../testing/clock-world.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { aChain, type EngineFixture, engineOn, operator, scratch } from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

describe('a component that somebody stops', () => {
  let database: TestDatabase;
  let fixture: EngineFixture;
  let place: Awaited<ReturnType<typeof scratch>>;
  let looks = 0;
  const call = { actor: operator, now: new Date(), from: 'test', requestId: 'r' };
  const ask = async (name: string, input: object): Promise<Record<string, unknown>> => {
    const operation = fixture.engine.operations.find((one) => one.name === name);
    return await operation?.handle(operation.input.parse(input), { ...call, now: new Date() });
  };
  const started = async (name: string) => (await fixture.engine.workflows.executions(name, { limit: 100 })).items;
  const listed = async (id: string) => (await fixture.engine.listSchedules()).find((one) => one.id === id);

  beforeAll(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    place = await scratch();
    fixture = engineOn(database.store, {
      rules: [{ id: 'test', effect: 'write', decision: 'auto', why: 'A test.' }],
      workflows: [
        { ...byTheClock('health_check', { every: '1s' }), priority: 'P0', ifMissed: 'a fault stays unseen' },
        defineWorkflow({
          ...aChain,
          name: 'slow',
          triggers: [{ kind: 'event', event: 'user.registered' }],
          steps: [
            {
              id: 'wait',
              title: 'wait',
              automation: 'append-lines',
              input: () => ({ file: place.file, lines: ['a'], pauseMs: 25_000 }),
            },
          ],
        }),
      ],
    });
    fixture.engine.register([
      { name: 'look-around', summary: 'Looks.', schedule: { every: '1s' }, run: async () => void (looks += 1) },
    ]);
    await fixture.engine.start();
  }, 60_000);
  afterAll(async () => {
    await fixture?.engine.stop();
    await database?.drop();
    await place?.remove();
  });

  it('takes a reason where it is critical, and says what is missed meanwhile', async () => {
    await expect(ask('stop-component', { component: 'health-check' })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
      message: 'Stopping health_check takes a reason. Meanwhile: a fault stays unseen.',
    });
    await expect(ask('stop-component', { component: 'nothing' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('health_check'),
    });
    await expect(
      ask('pause-schedule', { component: 'slow', until: new Date(Date.now() - 1_000) }),
    ).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  it('starts no more until it is started again, and both may be said twice', async () => {
    await expect.poll(async () => (await started('health_check')).length, { timeout: 15_000 }).toBeGreaterThan(0);
    expect(await ask('stop-component', { component: 'health-check', reason: 'the rack moves' })).toMatchObject({
      component: 'health_check',
      status: 'paused',
      changed: true,
      pause: { by: 'olga', reason: 'the rack moves' },
    });
    expect(await ask('stop-component', { component: 'health-check', reason: 'the rack moves' })).toMatchObject({
      status: 'paused',
      message: expect.stringContaining('was paused already, by olga: the rack moves'),
    });
    const { length } = await started('health_check');
    const paused = "select count(*)::int as n from schedule_firings where outcome = 'paused'";
    await expect
      .poll(async () => (await database.store.pool.query<{ n: number }>(paused)).rows[0]?.n, { timeout: 15_000 })
      .toBeGreaterThan(1);
    expect(await started('health_check')).toHaveLength(length);
    expect(await listed('health_check:0')).toMatchObject({ state: 'paused', pause: { reason: 'the rack moves' } });

    expect(await ask('start-component', { component: 'health-check' })).toMatchObject({
      status: 'started',
      changed: true,
    });
    expect(await ask('start-component', { component: 'health-check' })).toMatchObject({
      status: 'started',
      changed: false,
    });
    await expect.poll(async () => (await started('health_check')).length, { timeout: 15_000 }).toBeGreaterThan(length);
    const { rows } = await database.store.pool.query<{ type: string }>(
      "select type from events where type like 'schedule.%' order by id",
    );
    expect(rows.map(({ type }) => type)).toEqual(['schedule.paused', 'schedule.resumed']);
  }, 60_000);

  it('is ended in order where it runs, while a pause lets it go on; a person may start it all the same', async () => {
    const { id } = await fixture.engine.workflows.execute('slow', { context: {}, trigger: 'api', actor: operator });
    expect(await ask('pause-schedule', { component: 'slow' })).toMatchObject({ status: 'paused', ending: [] });
    expect((await started('slow'))[0]).toMatchObject({ id, status: 'running' });
    expect(await ask('stop-component', { component: 'slow' })).toMatchObject({ status: 'paused', ending: [id] });
    await expect.poll(async () => (await started('slow'))[0]?.status, { timeout: 20_000 }).toBe('canceled');
  }, 60_000);

  it('may be a job of Steward, and a pause ends by itself', async () => {
    await expect.poll(() => looks, { timeout: 15_000 }).toBeGreaterThan(0);
    await ask('pause-schedule', { component: 'look-around', reason: 'a test', for: '4s' });
    expect(await listed('look-around')).toMatchObject({ state: 'paused' });
    const before = looks;
    await expect.poll(async () => (await listed('look-around'))?.state, { timeout: 15_000 }).toBe('active');
    // What had begun when it was paused may still have counted.
    expect(looks - before).toBeLessThanOrEqual(2);
    await expect.poll(() => looks, { timeout: 15_000 }).toBeGreaterThan(before + 2);
  }, 60_000);
});
