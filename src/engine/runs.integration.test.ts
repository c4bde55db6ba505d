import { writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { type Actor, systemActor } from '../core/actor.ts';
import {
  admin,
  agent,
  confirmed,
  type EngineFixture,
  engineOn,
  operator,
  resource,
  scratch,
} from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

const WAIT = { timeoutMs: 20_000 };

describe('runs on the store', () => {
  let database: TestDatabase;
  let fixture: EngineFixture;
  let place: Awaited<ReturnType<typeof scratch>>;
  let count = 0;
  const fresh = () => `${place.file}-${(count += 1)}`;
  const service = () => fixture.engine.service;
  const read = async (file: string) => (await import('node:fs/promises')).readFile(file, 'utf8').catch(() => '');
  const types = async (runId: string) =>
    (await database.store.events.read({ limit: 5_000 }))
      .filter(({ subject, type }) => subject?.id === runId && type !== 'run.change')
      .map(({ type }) => type);

  beforeAll(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    place = await scratch();
    fixture = engineOn(database.store, {
      resources: [resource('shop'), resource('stranger', { adoption: 'pending' })],
    });
    await fixture.engine.start();
  }, 60_000);
  afterAll(async () => {
    await fixture?.engine.stop();
    await database?.drop();
    await place?.remove();
  });

  it('applies what an operator asked for, and says so in events and audit', async () => {
    const file = fresh();
    const started = await service().start({
      automation: 'append-lines',
      input: { file, lines: ['a', 'b'] },
      trigger: 'cli',
      actor: operator,
    });
    expect(started.status).toBe('queued');
    const run = await service().wait(started.id, WAIT);
    expect(run).toMatchObject({
      status: 'succeeded',
      decision: 'auto',
      decisionRule: 'people',
      output: { written: 2 },
    });
    expect(run.changes.map(({ status, attempts, receipt }) => ({ status, attempts, receipt }))).toEqual([
      { status: 'done', attempts: 1, receipt: { attempt: 1 } },
      { status: 'done', attempts: 1, receipt: { attempt: 1 } },
    ]);
    expect(run.checks.every(({ ok }) => ok)).toBe(true);
    expect(run.phases.map(({ phase }) => phase)).toEqual([
      'analyze',
      'plan',
      'analyze',
      'plan',
      'execute',
      'verify',
      'record',
      'log',
    ]);
    expect(run.phases.every(({ finishedAt }) => finishedAt !== undefined)).toBe(true);
    expect(await read(file)).toBe('begin a 1\nend a 1\nbegin b 1\nend b 1\n');
    // Events are seen once nothing older is under way, and this server serves other tests too.
    await expect
      .poll(() => types(run.id), { timeout: 15_000 })
      .toEqual(['run.queued', 'run.planned', 'run.started', 'run.succeeded', 'run.finished']);
    expect(fixture.audited.filter(({ subject }) => subject?.id === run.id).map(({ action }) => action)).toEqual([
      'run.requested',
      'run.planning',
      'run.started',
      'run.finished',
    ]);
  });

  it('reads without a plan', async () => {
    const file = fresh();
    await writeFile(file, 'x\ny\n');
    const { id } = await service().start({ automation: 'count-lines', input: { file }, trigger: 'mcp', actor: agent });
    const run = await service().wait(id, WAIT);
    expect(run).toMatchObject({ status: 'succeeded', output: { lines: 2 }, changes: [] });
    expect(run.plan).toBeUndefined();
  });

  it('ends a dry run after its plan', async () => {
    const file = fresh();
    const { id } = await service().start({
      automation: 'append-lines',
      input: { file, lines: ['a'] },
      trigger: 'cli',
      actor: operator,
      dryRun: true,
    });
    const run = await service().wait(id, WAIT);
    expect(run).toMatchObject({
      status: 'succeeded',
      dryRun: true,
      plan: [{ id: 'a' }],
      changes: [{ status: 'planned' }],
    });
    expect(await read(file)).toBe('');
  });

  it('refuses input before anything is stored, and names the field', async () => {
    const before = (await service().list({})).items.length;
    await expect(
      service().start({ automation: 'append-lines', input: { file: 7 }, trigger: 'api', actor: operator }),
    ).rejects.toMatchObject({ code: 'INPUT_INVALID', problems: [{ path: 'file' }, { path: 'lines' }] });
    await expect(
      service().start({ automation: 'no-such', input: {}, trigger: 'api', actor: operator }),
    ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(
      service().start({
        automation: 'append-lines',
        input: { file: 'x', lines: [] },
        trigger: 'api',
        actor: { ...operator, role: 'viewer' },
      }),
    ).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(
      service().start({
        automation: 'append-lines',
        input: { file: 'x', lines: [], target: 'stranger' },
        trigger: 'api',
        actor: operator,
      }),
    ).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect((await service().list({})).items).toHaveLength(before);
  });

  it('gives one run for one key, however many ask at once', async () => {
    const file = fresh();
    const request = {
      automation: 'append-lines',
      input: { file, lines: ['a'] },
      trigger: 'api',
      actor: operator,
      idempotencyKey: 'one',
    } as const;
    const runs = await Promise.all([service().start(request), service().start(request), service().start(request)]);
    expect(new Set(runs.map(({ id }) => id)).size).toBe(1);
    await service().wait(runs[0].id, WAIT);
    expect(await read(file)).toBe('begin a 1\nend a 1\n');
  });

  it('takes back what it did when a change fails, last first', async () => {
    const file = fresh();
    const { id } = await service().start({
      automation: 'append-lines',
      input: { file, lines: ['a', 'b', 'c', 'd'], failAt: 'c' },
      trigger: 'cli',
      actor: operator,
    });
    const run = await service().wait(id, WAIT);
    expect(run).toMatchObject({ status: 'rolled-back', error: { message: 'cannot append c', phase: 'execute' } });
    expect((await read(file)).split('\n').slice(-4, -1)).toEqual(['undo c half', 'undo b', 'undo a']);
    expect(run.changes.map(({ status }) => status)).toEqual(['undone', 'undone', 'undone', 'skipped']);
  });

  describe('what waits for a person', () => {
    const propose = async (file: string, automation = 'append-lines', more: object = {}) => {
      const { id } = await service().start({
        automation,
        input: { file, lines: ['a'], ...more },
        trigger: 'mcp',
        actor: agent,
      });
      return await service().wait(id, WAIT);
    };

    it('is applied once a person approved its very plan', async () => {
      const file = fresh();
      const run = await propose(file);
      expect(run).toMatchObject({ status: 'waiting-approval', decision: 'propose', decisionRule: 'agents-propose' });
      expect(run.expiresAt?.getTime()).toBeGreaterThan(Date.now() + 23 * 3_600_000);
      await expect(service().approve(run.id, { planHash: 'another', actor: operator })).rejects.toMatchObject({
        code: 'PLAN_STALE',
      });
      await expect(service().approve(run.id, { planHash: run.planHash ?? '', actor: agent })).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
      expect(await read(file)).toBe('');
      await service().approve(run.id, { planHash: run.planHash ?? '', actor: operator });
      const done = await service().wait(run.id, WAIT);
      expect(done).toMatchObject({ status: 'succeeded', approval: { by: 'olga', planHash: run.planHash } });
      // Events are seen once nothing older is under way, and this server serves other tests too.
      await expect
        .poll(() => types(run.id), { timeout: 15_000 })
        .toEqual([
          'run.queued',
          'run.planned',
          'run.waiting-approval',
          'run.approved',
          'run.started',
          'run.succeeded',
          'run.finished',
        ]);
    });

    it('and destroys is approved by a signed-in person only, who shows it again for this very plan', async () => {
      const run = await propose(fresh(), 'destroy-lines');
      const planHash = run.planHash ?? '';
      const { session: _none, ...withoutSession } = admin;
      for (const actor of [operator, withoutSession, { ...admin, kind: 'token' as const }, agent, systemActor('x')]) {
        await expect(
          service().approve(run.id, { planHash, actor, confirmation: confirmed(run) }),
        ).rejects.toMatchObject({ code: 'FORBIDDEN' });
      }
      const other = { ...run, planHash: '0'.repeat(64) };
      const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);
      for (const confirmation of [
        undefined,
        confirmed(other),
        confirmed({ ...run, id: 'run_other' }),
        confirmed(run, minutesAgo(6)),
        confirmed(run, minutesAgo(-1)),
      ]) {
        await expect(service().approve(run.id, { planHash, actor: admin, confirmation })).rejects.toMatchObject({
          code: 'CONFIRMATION_REQUIRED',
          hint: expect.stringContaining('steward run approve'),
        });
      }
      const { approval } = await service().approve(run.id, {
        planHash,
        actor: admin,
        confirmation: confirmed(run, minutesAgo(4)),
      });
      expect(approval).toMatchObject({ by: 'ada', method: 'password', planHash });
      expect((await service().wait(run.id, WAIT)).status).toBe('succeeded');
      const attempts = fixture.audited.filter(
        ({ action, subject }) => action === 'run.approved' && subject?.id === run.id,
      );
      expect(attempts.map(({ outcome }) => outcome)).toEqual([...Array<string>(10).fill('refused'), 'allowed']);
    });

    it('is approved once, and never after another word was said', async () => {
      const run = await propose(fresh());
      const approve = (id: string, planHash = '') => service().approve(id, { planHash, actor: operator });
      await approve(run.id, run.planHash);
      await expect(approve(run.id, run.planHash)).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining('approved already, by olga'),
      });
      await service().wait(run.id, WAIT);
      await expect(approve(run.id, run.planHash)).rejects.toMatchObject({ code: 'CONFLICT' });

      const canceled = await propose(fresh());
      await service().cancel(canceled.id, { actor: operator, reason: 'no' });
      await expect(approve(canceled.id, canceled.planHash)).rejects.toMatchObject({ code: 'CONFLICT' });

      const both = await propose(fresh());
      const outcomes = await Promise.allSettled([approve(both.id, both.planHash), approve(both.id, both.planHash)]);
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    });

    it('is stale where the world moved meanwhile, and is planned again', async () => {
      const file = fresh();
      const run = await propose(file, 'append-lines', { moment: 'now' });
      await writeFile(`${file}.moment`, 'later');
      await service().approve(run.id, { planHash: run.planHash ?? '', actor: operator });
      await expect.poll(async () => (await service().get(run.id))?.status, { timeout: 15_000 }).toBe('stale');
      expect(await read(file)).toBe('');
      await expect
        .poll(
          async () =>
            (await service().list({ automation: 'append-lines' })).items
              .filter(({ causation }) => causation.runId === run.id)
              .map(({ status }) => status),
          { timeout: 10_000 },
        )
        .toEqual(['waiting-approval']);
    });

    it('can be rejected', async () => {
      const file = fresh();
      const run = await propose(file);
      const rejected = await service().reject(run.id, { actor: operator, reason: 'not today' });
      expect(rejected).toMatchObject({ status: 'rejected', error: { message: 'Rejected by olga: not today' } });
      await expect(service().approve(run.id, { planHash: run.planHash ?? '', actor: operator })).rejects.toMatchObject({
        code: 'CONFLICT',
      });
    });

    it('is neither rejected nor canceled by an agent, except what it asked for itself', async () => {
      const input = { file: fresh(), lines: ['a'] };
      const own = await service().wait(
        (await service().start({ automation: 'append-lines', input, trigger: 'mcp', actor: agent })).id,
        WAIT,
      );
      const other = await service().wait(
        (await service().start({ automation: 'destroy-lines', input, trigger: 'cli', actor: operator })).id,
        WAIT,
      );
      await expect(service().reject(other.id, { actor: agent, reason: 'no' })).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
      await expect(service().cancel(other.id, { actor: agent, reason: 'no' })).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
      expect(await service().cancel(own.id, { actor: agent, reason: 'a mistake' })).toMatchObject({
        status: 'canceled',
      });
      await service().cancel(other.id, { actor: operator, reason: 'a test' });
    });

    it('gives way to the next proposal of the same thing by the same asker, and to one of Steward itself', async () => {
      const file = fresh();
      const ask = async (trigger: 'mcp' | 'schedule', actor: Actor, lines = ['a']) => {
        const input = { file, lines, undo: 'none' };
        const { id } = await service().start({ automation: 'append-lines', input, trigger, actor });
        return await service().wait(id, WAIT);
      };
      const first = await ask('mcp', agent);
      const otherInput = await ask('mcp', agent, ['b']);
      const otherAsker = await ask('mcp', { ...agent, id: 'tok_3' });
      const second = await ask('mcp', agent);
      expect(await service().get(first.id)).toMatchObject({
        status: 'rejected',
        error: { message: `superseded: run ${second.id} proposes it anew.` },
      });
      await expect
        .poll(() => types(first.id), { timeout: 15_000 })
        .toEqual(expect.arrayContaining(['run.superseded', 'run.finished']));
      await expect(
        service().approve(first.id, { planHash: first.planHash ?? '', actor: operator }),
      ).rejects.toMatchObject({ code: 'CONFLICT', hint: expect.stringContaining(second.id) });
      const scheduled = await ask('schedule', systemActor('schedule'));
      const states = await Promise.all(
        [otherInput, otherAsker, second, scheduled].map(async ({ id }) => (await service().get(id))?.status),
      );
      expect(states).toEqual(['waiting-approval', 'rejected', 'rejected', 'waiting-approval']);
    });
  });

  describe('cancel', () => {
    it('ends a run in the middle of a change and takes back what it did', async () => {
      const file = fresh();
      const { id } = await service().start({
        automation: 'append-lines',
        input: { file, lines: ['a', 'b'], pauseMs: 1_000 },
        trigger: 'cli',
        actor: operator,
      });
      await expect.poll(() => read(file), { timeout: 15_000 }).toContain('begin b');
      await service().cancel(id, { actor: operator, reason: 'enough' });
      const run = await service().wait(id, WAIT);
      expect(run).toMatchObject({
        status: 'canceled',
        error: { code: 'CANCELED', message: 'Canceled by olga: enough' },
      });
      expect((await read(file)).trim().split('\n')).toEqual([
        'begin a 1',
        'end a 1',
        'begin b 1',
        'undo b half',
        'undo a',
      ]);
    });

    it('ends a queued run at once', async () => {
      const input = { file: fresh(), lines: ['a'], pauseMs: 2_000, target: 'shop' };
      const first = await service().start({ automation: 'append-lines', input, trigger: 'cli', actor: operator });
      const file = fresh();
      const second = await service().start({
        automation: 'append-lines',
        input: { ...input, file },
        trigger: 'cli',
        actor: operator,
      });
      await expect.poll(() => read(input.file), { timeout: 15_000 }).toContain('begin a');
      expect(await service().cancel(second.id, { actor: operator, reason: 'changed my mind' })).toMatchObject({
        status: 'canceled',
      });
      expect((await service().wait(first.id, WAIT)).status).toBe('succeeded');
      expect(await read(file)).toBe('');
      await expect(service().cancel(second.id, { actor: operator, reason: 'again' })).rejects.toMatchObject({
        code: 'CONFLICT',
      });
    });
  });

  it('lets two runs of one target wait for each other, and two of different ones run side by side', async () => {
    const [one, two] = [fresh(), fresh()];
    const start = (file: string, lines: string[], target?: string) =>
      service().start({
        automation: 'append-lines',
        input: { file, lines, pauseMs: 300, target },
        trigger: 'cli',
        actor: operator,
      });
    const runs = await Promise.all([start(one, ['a', 'b'], 'shop'), start(one, ['c', 'd'], 'shop'), start(two, ['e'])]);
    const done = await Promise.all(runs.map(({ id }) => service().wait(id, WAIT)));
    expect(done.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    const order = (await read(one))
      .trim()
      .split('\n')
      .map((line) => line.split(' ')[1])
      .join('');
    expect(['aabbccdd', 'ccddaabb']).toContain(order);
  });
});
