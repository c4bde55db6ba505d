import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemActor } from '../core/actor.ts';
import type { JsonObject } from '../core/json.ts';
import { DEFAULT_POLICY } from '../core/policy.ts';
import type { WorkflowExecution } from '../core/run-service.ts';
import { type AnyWorkflow, defineWorkflow, type WorkflowStep } from '../core/workflow.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { aChain, admin, agent, type EngineFixture, engineOn, operator, scratch } from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

const workflows: AnyWorkflow[] = [];
let configured: AnyWorkflow[] = [];
let database: TestDatabase;
let fixture: EngineFixture;
let place: Awaited<ReturnType<typeof scratch>>;

const define = (name: string, steps: readonly WorkflowStep[], more: Partial<AnyWorkflow> = {}): void => {
  workflows.push(defineWorkflow({ ...aChain, name, triggers: [], steps, ...more }));
};
const append = (id: string, more: JsonObject = {}, members: Partial<WorkflowStep> = {}): WorkflowStep =>
  ({
    id,
    title: `append ${id}`,
    automation: 'append-lines',
    input: { file: { from: 'context.file' }, lines: [id], ...more },
    ...members,
  }) as WorkflowStep;
const count = (id: string, members: Partial<WorkflowStep> = {}): WorkflowStep =>
  ({ id, title: id, automation: 'count-lines', input: { file: { from: 'context.file' } }, ...members }) as WorkflowStep;

async function execute(name: string, context: JsonObject = {}, dryRun = false): Promise<string> {
  const request = { context: { file: place.file, ...context }, trigger: 'api', actor: operator, dryRun } as const;
  return (await fixture.engine.workflows.execute(name, request)).id;
}
const get = async (id: string): Promise<WorkflowExecution> =>
  (await fixture.engine.workflows.execution(id)) as WorkflowExecution;
async function becomes(id: string, ...status: WorkflowExecution['status'][]): Promise<WorkflowExecution> {
  await expect.poll(async () => (await get(id)).status, { timeout: 30_000, interval: 100 }).toBeOneOf(status);
  return await get(id);
}
const ended = (id: string): Promise<WorkflowExecution> => becomes(id, 'succeeded', 'failed', 'canceled');
const steps = ({ steps: all }: WorkflowExecution): Record<string, string> =>
  Object.fromEntries(
    all.map(({ id, status, message }) => [id, message === undefined ? status : `${status}: ${message}`]),
  );
const tell = async (type: 'user.registered' | 'content.published', data: JsonObject): Promise<void> => {
  await database.store.db
    .transaction()
    .execute((trx) => database.store.events.append(trx, { type, data, actor: systemActor('test') }));
};

beforeAll(async () => {
  database = await testDatabase({ migrations: engineMigrations });
  place = await scratch();
  define('outputs', [
    append('one'),
    count('two'),
    append('three', { lines: [{ text: 'after {steps.two.output.lines} lines of {context.who}' }] }),
    count('never', { when: [{ from: 'steps.two.output.lines', above: 1000 }] }),
  ]);
  define('fan', [
    count('a'),
    append('b', { pauseMs: 300 }, { needs: ['a'] }),
    append('c', { pauseMs: 300 }, { needs: ['a'] }),
    count('d', { needs: ['b', 'c'] }),
  ]);
  define('breaks', [append('x', { failAt: 'x' }, { onError: [append('x-clean')] }), append('y')], {
    onError: [append('told', { lines: [{ text: '{error.step}: {error.message}' }] })],
  });
  define('flaky', [append('tries', { failAt: { from: 'context.failAt' } }, { retry: { attempts: 3, backoff: '1s' } })]);
  define('slow', [append('long', { pauseMs: 20_000 }, { timeout: '1s' })], { onError: [append('late')] });
  define('cancels', [append('runs', { pauseMs: 20_000 }, { onError: [append('mended')] })], {
    onError: [append('cleaned')],
  });
  define('limited', [{ id: 'waits', title: 'waits', wait: { for: '1h' } }], {
    timeout: '1s',
    onError: [append('limit')],
  });
  define('sleeps', [{ id: 'nap', title: 'nap', wait: { for: '1s' } }, append('slept')]);
  define('hears', [
    append('before', { pauseMs: 500 }),
    {
      id: 'heard',
      title: 'heard',
      wait: { event: 'user.*', where: [{ from: 'data.user', equals: { from: 'context.user' } }] },
    },
    append('greet', { lines: [{ text: 'hello {steps.heard.output.event.data.user}' }] }),
  ]);
  define('hears-not', [
    { id: 'heard', title: 'heard', wait: { event: 'user.registered', timeout: '1s', onTimeout: 'continue' } },
    append('alone', {}, { when: [{ from: 'steps.heard.output.timedOut', equals: true }] }),
    { id: 'again', title: 'again', wait: { event: 'user.registered', timeout: '1s' } },
  ]);
  define('asks', [
    { id: 'question', title: 'question', wait: { person: { text: 'Really, {context.who}?' }, role: 'admin' } },
    append('agreed', { lines: [{ text: 'agreed by {steps.question.output.by}' }] }),
  ]);
  define('asks-late', [
    {
      id: 'color',
      title: 'color',
      wait: { person: 'Which?', answers: ['blue', 'green'], timeout: '1s', default: 'green' },
    },
    append('painted', { lines: [{ from: 'steps.color.output.answer' }] }),
  ]);
  define('again', [
    count('first'),
    append('second', { failAt: { from: 'context.failAt', default: '' } }),
    count('third'),
  ]);
  fixture = engineOn(database.store, {
    rules: [{ id: 'test', effect: 'write', decision: 'auto', why: 'A test.' }, ...DEFAULT_POLICY],
    workflows,
    configured: () => configured,
  });
  await fixture.engine.start();
}, 60_000);
afterAll(async () => {
  await fixture?.engine.stop();
  await database?.drop();
  await place?.remove();
});

describe('a chain', () => {
  it('hands outputs on by references, skips what a condition rules out, and keeps what its steps gave', async () => {
    const execution = await ended(await execute('outputs', { who: 'eve' }));
    expect(steps(execution)).toEqual({
      one: 'succeeded',
      two: 'succeeded',
      three: 'succeeded',
      never: expect.stringMatching(/^skipped: steps\.two\.output\.lines is \d+, expected more than 1000$/),
    });
    const { lines } = execution.outputs['two'] as { lines: number };
    expect(await place.lines()).toContain(`end after ${lines} lines of eve 1`);
  });

  it('runs what waits for the same step side by side', async () => {
    const execution = await ended(await execute('fan'));
    expect(execution.status).toBe('succeeded');
    const at = (id: string, when: 'startedAt' | 'finishedAt'): number =>
      Date.parse(String(execution.steps.find((step) => step.id === id)?.[when]));
    expect(at('c', 'startedAt')).toBeLessThan(at('b', 'finishedAt'));
    expect(at('d', 'startedAt')).toBeGreaterThanOrEqual(Math.max(at('b', 'finishedAt'), at('c', 'finishedAt')));
  });

  it('runs the error branch of the step and then its own, and tells them which step it was', async () => {
    const execution = await ended(await execute('breaks'));
    expect(execution).toMatchObject({
      status: 'failed',
      error: { kind: 'failed', step: 'x', title: 'append x', message: 'cannot append x', runId: expect.any(String) },
    });
    expect(steps(execution)).toMatchObject({
      x: 'failed: cannot append x',
      'x-clean': 'succeeded',
      y: "skipped: 'append x' failed before it",
      told: 'succeeded',
    });
    expect(await place.lines()).toContain('end x: cannot append x 1');
  });

  it('tries a step again as often as it says, each time by another run', async () => {
    const execution = await ended(await execute('flaky', { failAt: 'tries' }));
    expect(execution.steps[0]).toMatchObject({ status: 'failed', attempt: 3, message: 'cannot append tries' });
    const { items } = await fixture.engine.service.list({ automation: 'append-lines', limit: 100 });
    expect(items.filter(({ causation }) => causation.workflowId === execution.id)).toHaveLength(3);
  });

  it('ends a step that takes too long, and all of it when its own time is up', async () => {
    const [slow, limited] = await Promise.all([execute('slow'), execute('limited')]);
    expect(await ended(slow)).toMatchObject({
      status: 'failed',
      error: { kind: 'timed-out', step: 'long', message: 'it took longer than 1s' },
      steps: [{ ended: 'timed-out' }, { id: 'late', status: 'succeeded' }],
    });
    expect(await ended(limited)).toMatchObject({
      status: 'failed',
      error: { kind: 'timed-out', message: 'the workflow took longer than 1s' },
      steps: [{ status: 'failed' }, { id: 'limit', status: 'succeeded' }],
    });
  }, 40_000);

  it('that is canceled ends what runs, and cleans up after it', async () => {
    const id = await execute('cancels');
    await expect.poll(async () => (await get(id)).steps[0]?.status, { timeout: 15_000 }).toBe('running');
    await fixture.engine.workflows.cancel(id, { actor: operator, reason: 'a test' });
    expect(await ended(id)).toMatchObject({
      status: 'canceled',
      error: { kind: 'canceled', step: 'runs' },
      steps: [
        { id: 'runs', status: 'failed', ended: 'canceled' },
        { id: 'mended', status: 'succeeded' },
        { id: 'cleaned', status: 'succeeded' },
      ],
    });
    await expect(fixture.engine.workflows.cancel(id, { actor: operator, reason: 'x' })).rejects.toMatchObject({
      code: 'CONFLICT',
    });
  }, 40_000);

  it('goes on from the step that failed, once, with the outputs of those that succeeded', async () => {
    const failed = await ended(await execute('again', { failAt: 'second' }));
    const { retry } = fixture.engine.workflows;
    const about = { actor: operator, trigger: 'api' } as const;
    const next = await ended((await retry(failed.id, about)).id);
    expect(next).toMatchObject({ status: 'failed', retries: failed.id, outputs: { first: failed.outputs['first'] } });
    expect(next.steps[0]).toMatchObject({
      status: 'succeeded',
      message: `done by ${failed.id}`,
      runId: failed.steps[0]?.runId,
    });
    await expect(retry(failed.id, about)).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining(next.id),
    });
    await expect(retry((await ended(await execute('sleeps'))).id, about)).rejects.toMatchObject({ code: 'CONFLICT' });
  });

  it('as a plan changes nothing, waits for nothing, and says what is known later', async () => {
    const before = await place.lines();
    const plan = await ended(await execute('outputs', { who: 'eve' }, true));
    expect(plan).toMatchObject({ status: 'succeeded', dryRun: true });
    expect(steps(plan)).toMatchObject({ one: 'succeeded: would make 1 change', two: 'succeeded' });
    const waits = await ended(await execute('asks-late', {}, true));
    expect(steps(waits)).toEqual({
      color: 'skipped: a plan waits for nothing',
      painted: "skipped: known after 'color'",
    });
    expect(await place.lines()).toEqual(before);
  });
});

describe('a workflow of the configuration', () => {
  const asking = (after: string): AnyWorkflow =>
    defineWorkflow({
      ...aChain,
      name: 'edited',
      triggers: [],
      steps: [{ id: 'ask', title: 'ask', wait: { person: 'Go on?' } }, append(after)],
    });

  it('goes by the definition that an execution began with, whatever is saved meanwhile', async () => {
    configured = [asking('old')];
    const before = await execute('edited');
    await becomes(before, 'waiting');
    configured = [asking('new')];
    const after = await execute('edited');
    await becomes(after, 'waiting');
    configured = [];
    await expect(execute('edited')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    for (const id of [before, after])
      await fixture.engine.workflows.answer(id, { step: 'ask', answer: 'yes', actor: admin });
    const [old, fresh] = await Promise.all([ended(before), ended(after)]);
    expect([steps(old), steps(fresh)]).toEqual([
      { ask: 'succeeded', old: 'succeeded' },
      { ask: 'succeeded', new: 'succeeded' },
    ]);
    expect(old.definition).not.toBe(fresh.definition);
    // Its history stays.
    expect((await fixture.engine.workflows.executions('edited', { limit: 10 })).items).toHaveLength(2);
  });

  it('starts by its schedule from the moment it is there, and no more when it is gone', async () => {
    const ticking: AnyWorkflow = {
      ...asking('x'),
      name: 'ticking',
      triggers: [{ kind: 'schedule', schedule: { every: '1s' } }],
      steps: [count('look')],
    };
    configured = [ticking];
    const all = async (): Promise<number> => {
      const { rows } = await database.store.pool.query(`select id from workflow_executions where workflow = 'ticking'`);
      return rows.length;
    };
    await expect.poll(all, { timeout: 15_000 }).toBeGreaterThan(1);
    configured = [{ ...ticking, triggers: [{ kind: 'schedule', schedule: { every: '1d' } }] }];
    // One may have been on its way.
    await expect
      .poll(async () => (await fixture.engine.listSchedules()).find(({ id }) => id === 'ticking:0')?.when)
      .toBe('every 1d');
    const listed = await fixture.engine.listSchedules();
    expect(listed.find(({ id }) => id === 'ticking:0')?.next[0]?.getUTCHours()).toBe(0);
    configured = [];
    expect((await fixture.engine.listSchedules()).some(({ id }) => id === 'ticking:0')).toBe(false);
  });
});

describe('a chain that waits', () => {
  it('goes on when its time has come', async () => {
    const id = await execute('sleeps');
    await becomes(id, 'waiting');
    expect(await ended(id)).toMatchObject({ status: 'succeeded', outputs: { nap: { until: expect.any(String) } } });
  });

  it('hears an event that came while the step before it ran, and only one that is meant', async () => {
    const id = await execute('hears', { user: 'eve' });
    await expect.poll(async () => (await get(id)).steps[0]?.status, { timeout: 15_000 }).toBe('running');
    await tell('user.registered', { user: 'adam' });
    await tell('user.registered', { user: 'eve' });
    expect(await ended(id)).toMatchObject({ status: 'succeeded' });
    expect(await place.lines()).toContain('end hello eve 1');
    const later = await execute('hears', { user: 'eve' });
    await becomes(later, 'waiting');
    await tell('content.published', { user: 'eve' });
    await tell('user.registered', { user: 'eve' });
    expect(await ended(later)).toMatchObject({ status: 'succeeded' });
  }, 40_000);

  it('goes on or fails when nothing came in time', async () => {
    const execution = await ended(await execute('hears-not'));
    expect(execution).toMatchObject({ status: 'failed', error: { kind: 'timed-out', step: 'again' } });
    expect(steps(execution)).toMatchObject({
      heard: 'succeeded',
      alone: 'succeeded',
      again: 'failed: no user.registered came within 1s',
    });
  });

  it('asks a person of that role and nobody else, and shows that it does', async () => {
    const { workflows: service } = fixture.engine;
    const id = await execute('asks', { who: 'eve' });
    await becomes(id, 'waiting');
    expect((await service.questions()).map((one) => one.id)).toContain(id);
    expect((await get(id)).steps[0]?.question).toEqual({ text: 'Really, eve?', role: 'admin', answers: ['yes', 'no'] });
    const answer = { step: 'question', answer: 'yes' };
    for (const actor of [operator, agent])
      await expect(service.answer(id, { ...answer, actor })).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(service.answer(id, { ...answer, answer: 'maybe', actor: admin })).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
    await service.answer(id, { ...answer, actor: admin });
    expect(await ended(id)).toMatchObject({ status: 'succeeded', outputs: { question: { answer: 'yes', by: 'ada' } } });
    expect(await place.lines()).toContain('end agreed by ada 1');
    await expect(service.answer(id, { ...answer, actor: admin })).rejects.toMatchObject({ code: 'CONFLICT' });
    const recorded = fixture.audited.filter(({ action }) => action === 'workflow.answered');
    expect(recorded.map(({ detail }) => detail)).toContainEqual(expect.objectContaining({ executionId: id }));
    expect(recorded.filter(({ detail }) => JSON.stringify(detail).includes(id))).toHaveLength(1);

    const refused = await execute('asks', { who: 'eve' });
    await becomes(refused, 'waiting');
    await service.answer(refused, { step: 'question', answer: 'no', actor: admin });
    expect(steps(await ended(refused))).toMatchObject({ question: 'failed: ada answered no', agreed: /skipped/ });
  }, 40_000);

  it('takes the default answer when nobody answers in time', async () => {
    const execution = await ended(await execute('asks-late'));
    expect(execution).toMatchObject({ status: 'succeeded', outputs: { color: { answer: 'green', timedOut: true } } });
    expect(await place.lines()).toContain('end green 1');
  });

  it('ends at once when it is canceled', async () => {
    const id = await execute('asks', { who: 'eve' });
    await becomes(id, 'waiting');
    await fixture.engine.workflows.cancel(id, { actor: operator, reason: 'a test' });
    expect(await ended(id)).toMatchObject({ status: 'canceled', steps: [{ status: 'failed', ended: 'canceled' }, {}] });
    expect((await fixture.engine.workflows.questions()).map((one) => one.id)).not.toContain(id);
  });
});
