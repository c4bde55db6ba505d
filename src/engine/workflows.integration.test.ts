import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Actor, systemActor } from '../core/actor.ts';
import { DEFAULT_POLICY } from '../core/policy.ts';
import { defineWorkflow } from '../core/workflow.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { aChain, admin, agent, confirmed, type EngineFixture, engineOn, operator, scratch } from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

describe('workflows', () => {
  let database: TestDatabase;
  let fixture: EngineFixture;
  let place: Awaited<ReturnType<typeof scratch>>;
  const ended = async (name: string, id: string) =>
    await expect
      .poll(
        async () =>
          (await fixture.engine.workflows.executions(name, { limit: 50 })).items.find((one) => one.id === id)?.status,
        { timeout: 20_000, interval: 100 },
      )
      .not.toBe('running')
      .then(async () =>
        (await fixture.engine.workflows.executions(name, { limit: 50 })).items.find((one) => one.id === id),
      );
  const count = async (name: string) => (await fixture.engine.workflows.executions(name, { limit: 50 })).items.length;

  beforeAll(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    place = await scratch();
    const { file } = place;
    const append = (id: string, more: object = {}) => ({
      id,
      title: `append ${id}`,
      automation: 'append-lines',
      input: () => ({ file, lines: [id], ...more }),
    });
    fixture = engineOn(database.store, {
      rules: [
        { id: 'test', effect: 'write', trigger: ['schedule', 'api'], decision: 'auto', why: 'A test.' },
        ...DEFAULT_POLICY,
      ],
      workflows: [
        defineWorkflow({
          ...aChain,
          name: 'three',
          triggers: [],
          steps: [
            append('one'),
            { id: 'missing', title: 'comes later', automation: 'scale-out' },
            {
              id: 'count',
              title: 'count',
              automation: 'count-lines',
              input: ({ outputs }) => ({ file: outputs.has('one') ? file : 'nowhere' }),
            },
          ],
        }),
        defineWorkflow({ ...aChain, name: 'stops', triggers: [], steps: [append('x', { failAt: 'x' }), append('y')] }),
        defineWorkflow({
          ...aChain,
          name: 'goes_on',
          triggers: [],
          steps: [{ ...append('v', { failAt: 'v' }), onFailure: 'continue' }, append('w')],
        }),
        defineWorkflow({
          ...aChain,
          name: 'asks',
          triggers: [],
          steps: [
            { id: 'destroy', title: 'destroy', automation: 'destroy-lines', input: () => ({ file, lines: ['d'] }) },
          ],
        }),
        defineWorkflow({
          ...aChain,
          name: 'on_event',
          triggers: [{ kind: 'event', event: 'user.registered' }],
          steps: [{ id: 'count', title: 'count', automation: 'count-lines', input: () => ({ file }) }],
        }),
        defineWorkflow({
          ...aChain,
          name: 'on_report',
          triggers: [{ kind: 'event', event: 'content.published' }],
          steps: [
            { id: 'missing', title: 'comes later', automation: 'call-http' },
            { ...append('published'), id: 'append' },
          ],
        }),
        defineWorkflow({
          ...aChain,
          name: 'looping',
          triggers: [{ kind: 'event', event: 'workflow.finished' }],
          steps: [{ id: 'count', title: 'count', automation: 'count-lines', input: () => ({ file }) }],
        }),
        defineWorkflow({
          ...aChain,
          name: 'ticking',
          origin: 'core',
          triggers: [{ kind: 'schedule', schedule: { every: '1s' } }],
          steps: [{ id: 'count', title: 'count', automation: 'count-lines', input: () => ({ file }) }],
        }),
      ],
    });
    await fixture.engine.start();
  }, 60_000);
  afterAll(async () => {
    await fixture?.engine.stop();
    await database?.drop();
    await place?.remove();
  });

  it('run their steps in order, hand outputs on, and show what this version does not have', async () => {
    const { id } = await fixture.engine.workflows.execute('three', {
      context: { manual: true },
      trigger: 'api',
      actor: operator,
    });
    expect(await ended('three', id)).toMatchObject({
      status: 'succeeded',
      context: { manual: true },
      steps: [
        { id: 'one', status: 'succeeded', runId: expect.stringMatching(/^run_/) },
        { id: 'missing', status: 'skipped', message: 'scale-out is not part of this version yet' },
        { id: 'count', status: 'succeeded' },
      ],
    });
  });

  it('stop at a failure, or go on where the step says so', async () => {
    const stops = await fixture.engine.workflows.execute('stops', { context: {}, trigger: 'api', actor: operator });
    const goesOn = await fixture.engine.workflows.execute('goes_on', { context: {}, trigger: 'api', actor: operator });
    expect(await ended('stops', stops.id)).toMatchObject({
      status: 'failed',
      steps: [
        { status: 'failed', message: 'cannot append x' },
        { status: 'skipped', message: "'append x' failed before it" },
      ],
    });
    expect(await ended('goes_on', goesOn.id)).toMatchObject({
      status: 'failed',
      steps: [{ status: 'failed' }, { status: 'succeeded' }],
    });
  });

  it('wait for a person, visibly, and go on', async () => {
    const { id } = await fixture.engine.workflows.execute('asks', { context: {}, trigger: 'api', actor: operator });
    const step = async () => (await fixture.engine.workflows.executions('asks', { limit: 1 })).items[0]?.steps[0];
    await expect.poll(async () => (await step())?.status, { timeout: 15_000 }).toBe('waiting-approval');
    const runId = (await step())?.runId ?? '';
    const run = await fixture.engine.service.get(runId);
    const confirmation = confirmed(run ?? { id: runId });
    await fixture.engine.service.approve(runId, { planHash: run?.planHash ?? '', actor: admin, confirmation });
    expect(await ended('asks', id)).toMatchObject({ status: 'succeeded' });
  });

  it('start once for a key, and are refused by an unknown name', async () => {
    const request = { context: {}, trigger: 'api', actor: operator, idempotencyKey: 'k1' } as const;
    const [one, two] = await Promise.all([
      fixture.engine.workflows.execute('three', request),
      fixture.engine.workflows.execute('three', request),
    ]);
    expect(one.id).toBe(two.id);
    await expect(fixture.engine.workflows.execute('four', request)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await ended('three', one.id);
  });

  it('start by an event', async () => {
    await database.store.db.transaction().execute((trx) =>
      database.store.events.append(trx, {
        type: 'user.registered',
        data: { name: 'eve' },
        actor: systemActor('test'),
      }),
    );
    await expect.poll(() => count('on_event'), { timeout: 15_000 }).toBe(1);
    const execution = (await fixture.engine.workflows.executions('on_event', { limit: 1 })).items[0];
    expect(execution).toMatchObject({ trigger: 'event', context: { name: 'eve', event: { type: 'user.registered' } } });
  });

  describe('that an application starts by what it reports', () => {
    const report = async (input: object, actor: Actor = operator): Promise<{ starts: string[] }> => {
      const operation = fixture.engine.operations.find(({ name }) => name === 'report-event');
      const call = { actor, now: new Date(), from: 'local', requestId: 'r1' };
      return operation?.handle(operation.input.parse(input), call) as never;
    };
    const last = async () => (await fixture.engine.workflows.executions('on_report', { limit: 1 })).items[0];

    it('run, show which steps were skipped, and keep no secret', async () => {
      expect(
        await report({ type: 'content.published', data: { title: 'Hello', apiToken: 'hunter2secret' } }),
      ).toMatchObject({
        type: 'content.published',
        starts: ['on_report'],
      });
      await expect.poll(async () => (await last())?.status, { timeout: 20_000 }).toBe('succeeded');
      expect(await last()).toMatchObject({
        trigger: 'event',
        actor: { kind: 'system' },
        context: { title: 'Hello', event: { type: 'content.published' } },
        steps: [
          { id: 'missing', status: 'skipped', message: 'call-http is not part of this version yet' },
          { id: 'append', status: 'succeeded' },
        ],
      });
      expect(JSON.stringify(await last())).not.toContain('hunter2secret');
    });

    it('propose what an agent reported, like whatever an agent asks for', async () => {
      await report({ type: 'content.published' }, agent);
      await expect.poll(async () => (await last())?.steps[1]?.status, { timeout: 20_000 }).toBe('waiting-approval');
      expect(await last()).toMatchObject({ actor: { role: 'agent' } });
      await fixture.engine.service.cancel((await last())?.steps[1]?.runId ?? '', { actor: operator, reason: 'a test' });
    });

    it.each([
      ['what Steward sees itself', { type: 'service.down', data: {} }],
      ['more than 64 KiB', { type: 'user.registered', data: { text: 'x'.repeat(65_536) } }],
      ['data that is none', { type: 'user.registered', data: 'eve' }],
    ])('are not started by %s', (_what, input) => {
      const operation = fixture.engine.operations.find(({ name }) => name === 'report-event');
      expect(operation?.input.safeParse(input).success).toBe(false);
    });
  });

  it('do not start themselves for ever by what they did', async () => {
    await expect.poll(() => count('looping'), { timeout: 15_000 }).toBeGreaterThan(0);
    await expect
      .poll(() => fixture.log.lines.some(({ message }) => message === 'workflow not started by its own doing'), {
        timeout: 15_000,
      })
      .toBe(true);
  });

  it('start by the clock, once an instant', async () => {
    await expect.poll(() => count('ticking'), { timeout: 15_000 }).toBeGreaterThan(2);
    const { items } = await fixture.engine.workflows.executions('ticking', { limit: 50 });
    const instants = items.map(({ context }) => context.scheduledFor);
    expect(new Set(instants).size).toBe(instants.length);
    const listed = (await fixture.engine.listSchedules()).find(({ id }) => id === 'ticking:0');
    expect(listed).toMatchObject({
      kind: 'workflow',
      when: 'every 1s',
      zone: 'UTC',
      last: { executionId: expect.any(String) },
    });
    expect(listed?.next).toHaveLength(3);
  });

  it('are counted with their triggers', () => {
    expect(fixture.engine.counts()).toMatchObject({ workflowsActive: 8, triggers: 4 });
  });

  it('give operations whose output their own schemas take', async () => {
    const call = { actor: admin, now: new Date(), from: 'local', requestId: 'r1' };
    for (const operation of fixture.engine.operations.filter(({ kind }) => kind === 'query')) {
      const input = operation.input.safeParse({
        ...operation.examples?.[0]?.input,
        id: operation.name.startsWith('run-')
          ? (await fixture.engine.service.list({ limit: 1 })).items[0]?.id
          : 'three',
      });
      expect(input.success, operation.name).toBe(true);
      const output = operation.output.safeParse(JSON.parse(JSON.stringify(await operation.handle(input.data, call))));
      expect(output.error, operation.name).toBeUndefined();
    }
  });
});

describe('jobs of systems', () => {
  it('come at their times, and one that throws is recorded and comes again', async () => {
    const database = await testDatabase({ migrations: engineMigrations });
    const { engine } = engineOn(database.store);
    let calls = 0;
    let atOnce = 0;
    let most = 0;
    engine.register([
      {
        name: 'failing',
        summary: 'Fails.',
        schedule: { every: '1s' },
        async run() {
          calls += 1;
          throw new Error('no luck');
        },
      },
      {
        name: 'slow',
        summary: 'Takes longer than its interval.',
        schedule: { every: '1s' },
        async run({ signal }) {
          most = Math.max(most, (atOnce += 1));
          await new Promise((resolve) => {
            setTimeout(resolve, 1_500);
            signal.addEventListener('abort', resolve);
          });
          atOnce -= 1;
        },
      },
    ]);
    await engine.start();
    try {
      await expect.poll(() => calls, { timeout: 10_000 }).toBeGreaterThan(2);
      await expect
        .poll(async () => (await engine.listSchedules()).find(({ id }) => id === 'failing')?.last, { timeout: 5_000 })
        .toMatchObject({ outcome: 'failed', error: 'no luck' });
      expect(most).toBe(1);
    } finally {
      await engine.stop();
      await database.drop();
    }
  }, 30_000);
});
