import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Actor, systemActor } from '../core/actor.ts';
import { DEFAULT_POLICY } from '../core/policy.ts';
import { isFinal, type Run } from '../core/run.ts';
import { defineWorkflow } from '../core/workflow.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { aChain, admin, agent, type EngineFixture, engineOn, operator, scratch } from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

const WAIT = { timeoutMs: 20_000 };
const CHILD = fileURLToPath(new URL('../testing/engine-child.ts', import.meta.url));

describe('the mode of Steward', () => {
  let database: TestDatabase;
  let fixture: EngineFixture;
  let place: Awaited<ReturnType<typeof scratch>>;
  let other: ChildProcess | undefined;
  let count = 0;
  const fresh = () => `${place.file}-${(count += 1)}`;
  const service = () => fixture.engine.service;
  const read = async (file: string) => await readFile(file, 'utf8').catch(() => '');
  const start = (input: object, actor: Actor = operator, more: object = {}) =>
    service().start({ automation: 'append-lines', input, trigger: 'cli', actor, ...more });
  const end = async ({ id }: Pick<Run, 'id'>) => {
    await expect
      .poll(async () => isFinal((await service().get(id))?.status ?? 'queued'), { timeout: 20_000, interval: 50 })
      .toBe(true);
    return await service().get(id);
  };
  const executions = async (name: string): Promise<number> =>
    (
      await database.store.pool.query<{ count: number }>(
        'select count(*)::int as count from workflow_executions where workflow = $1',
        [name],
      )
    ).rows[0]?.count ?? 0;
  const paused = { code: 'STEWARD_PAUSED', message: expect.stringContaining('ada: a fire') };

  beforeAll(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    place = await scratch();
    const { file } = place;
    const append = { id: 'a', title: 'a', automation: 'append-lines', input: () => ({ file, lines: ['x'] }) };
    const look = { id: 'a', title: 'a', automation: 'count-lines', input: () => ({ file }) };
    fixture = engineOn(database.store, {
      rules: DEFAULT_POLICY,
      workflows: [
        defineWorkflow({
          ...aChain,
          name: 'ticking',
          triggers: [{ kind: 'schedule', schedule: { every: '1s' } }],
          steps: [append],
        }),
        defineWorkflow({
          ...aChain,
          name: 'looking',
          triggers: [{ kind: 'schedule', schedule: { every: '1s' } }],
          steps: [look],
        }),
        defineWorkflow({
          ...aChain,
          name: 'on_event',
          triggers: [{ kind: 'event', event: 'user.registered' }],
          steps: [append],
        }),
      ],
    });
    await fixture.engine.start();
  }, 60_000);
  afterEach(async () => {
    await service().setMode('normal', { actor: admin, reason: 'the test is over' });
  });
  afterAll(async () => {
    if (other && other.exitCode === null) {
      other.kill('SIGTERM');
      await once(other, 'exit');
    }
    await fixture?.engine.stop();
    await database?.drop();
    await place?.remove();
  });

  it('is normal until somebody says otherwise', async () => {
    expect((await service().mode()).mode).toBe('normal');
  });

  it('stopped ends what runs on every node, takes it back, and lets nothing begin that changes', async () => {
    const file = fresh();
    const elsewhere = fresh();
    const input = { file: elsewhere, lines: ['a', 'b'], pauseMs: 20_000 };
    other = spawn(
      process.execPath,
      [
        '--disable-warning=ExperimentalWarning',
        CHILD,
        JSON.stringify({ databaseUrl: database.databaseUrl, node: 'other', start: input }),
      ],
      { stdio: ['pipe', 'pipe', 'inherit'] },
    );
    const lines = createInterface({ input: other.stdout ?? process.stdin })[Symbol.asyncIterator]();
    expect((await lines.next()).value).toBe('ready');
    const there = { id: String((await lines.next()).value) };
    const waiting = await service().wait((await start({ file: fresh(), lines: ['w'] }, agent)).id, WAIT);
    expect(waiting.status).toBe('waiting-approval');
    const here = await start({ file, lines: ['a', 'b'], pauseMs: 20_000 });
    await expect.poll(() => read(file), { timeout: 15_000 }).toContain('begin a');
    await expect.poll(() => read(elsewhere), { timeout: 15_000 }).toContain('begin a');
    const queued = await start({ file: fresh(), lines: ['a'] });

    const record = await service().setMode('stopped', { actor: admin, reason: 'a fire' });
    expect(record).toMatchObject({ mode: 'stopped', by: 'ada', reason: 'a fire' });
    for (const one of [here, there])
      expect(await end(one)).toMatchObject({
        status: 'canceled',
        error: { code: 'CANCELED', message: 'Canceled by ada: Steward was stopped: a fire' },
        changes: [{ status: 'undone' }, { status: 'skipped' }],
      });
    // Nobody waited until they were done.
    expect(`${await read(file)}${await read(elsewhere)}`).not.toContain('end');
    expect((await end(queued))?.status).toBe('canceled');

    await expect(start({ file, lines: ['n'] })).rejects.toMatchObject(paused);
    await expect(service().undo(here.id, { actor: operator, trigger: 'cli' })).rejects.toMatchObject({
      code: expect.stringMatching(/STEWARD_PAUSED|CONFLICT/),
    });
    await expect(
      service().approve(waiting.id, { planHash: waiting.planHash ?? '', actor: operator }),
    ).rejects.toMatchObject(paused);
    await expect(
      fixture.engine.workflows.execute('ticking', { context: {}, trigger: 'api', actor: operator }),
    ).rejects.toMatchObject(paused);
    expect((await service().get(waiting.id))?.status).toBe('waiting-approval');
    // Looking goes on.
    const dry = await start({ file, lines: ['d'] }, operator, { dryRun: true });
    expect((await service().wait(dry.id, WAIT)).status).toBe('succeeded');
    const counted = await start({ file }, operator, { automation: 'count-lines' });
    expect((await service().wait(counted.id, WAIT)).status).toBe('succeeded');

    // What waited goes on waiting, and can be approved once Steward was released.
    await service().setMode('normal', { actor: admin, reason: 'it is out' });
    await service().approve(waiting.id, { planHash: waiting.planHash ?? '', actor: operator });
    expect((await service().wait(waiting.id, WAIT)).status).toBe('succeeded');
  }, 60_000);

  it('stopped skips what schedules and events would start, where it changes something', async () => {
    await service().setMode('stopped', { actor: operator, reason: 'a fire' });
    const [ticked, looked] = [await executions('ticking'), await executions('looking')];
    await database.store.db
      .transaction()
      .execute((trx) =>
        database.store.events.append(trx, { type: 'user.registered', data: {}, actor: systemActor('test') }),
      );
    await expect.poll(() => executions('looking'), { timeout: 15_000 }).toBeGreaterThan(looked + 1);
    await expect
      .poll(
        () => {
          const said = new Set(fixture.log.lines.map(({ message }) => message));
          return said.has('scheduled start left out') && said.has('workflow not started');
        },
        { timeout: 15_000 },
      )
      .toBe(true);
    // One may have begun in the instant of the switch.
    expect(await executions('ticking')).toBeLessThanOrEqual(ticked + 1);
    expect(await executions('on_event')).toBe(0);
  }, 30_000);

  it('observe-only plans everything and applies nothing', async () => {
    const waiting = await service().wait((await start({ file: fresh(), lines: ['w'] }, agent)).id, WAIT);
    await service().setMode('observe-only', { actor: operator, reason: 'a look first' });
    const file = fresh();
    const run = await end(await start({ file, lines: ['a'] }));
    expect(run).toMatchObject({
      status: 'rejected',
      plan: [{ id: 'a' }],
      decision: 'observe',
      decisionRule: 'observe-only',
      error: { code: 'STEWARD_PAUSED' },
    });
    expect(await read(file)).toBe('');
    expect(await end(await start({ file, lines: [] }))).toMatchObject({ status: 'succeeded' });
    await expect(
      service().approve(waiting.id, { planHash: waiting.planHash ?? '', actor: operator }),
    ).rejects.toMatchObject({ code: 'STEWARD_PAUSED' });
  });

  it('observe-only lets what runs end, and holds back what was approved and had not begun', async () => {
    const [file, behind] = [fresh(), fresh()];
    const approved = async (input: object) => {
      const { id, planHash = '' } = await service().wait((await start(input, agent)).id, WAIT);
      return { id, approve: () => service().approve(id, { planHash, actor: operator }) };
    };
    const first = await approved({ file, lines: ['a'], pauseMs: 1_500 });
    const second = await approved({ file: behind, lines: ['a'] });
    await first.approve();
    await expect.poll(() => read(file), { timeout: 15_000 }).toContain('begin a');
    await second.approve();
    await service().setMode('observe-only', { actor: operator, reason: 'a look first' });
    expect(await end(first)).toMatchObject({ status: 'succeeded' });
    expect(await end(second)).toMatchObject({ status: 'canceled', error: { code: 'STEWARD_PAUSED' } });
    expect(await read(behind)).toBe('');
  }, 30_000);

  it('is pulled by who may operate, released by an administrator, and never touched by an agent', async () => {
    const set = (mode: 'normal' | 'observe-only' | 'stopped', actor: Actor) =>
      service().setMode(mode, { actor, reason: 'a test' });
    for (const actor of [agent, systemActor('healing'), { ...operator, role: 'viewer' as const }])
      await expect(set('stopped', actor)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect((await service().mode()).mode).toBe('normal');
    await set('stopped', operator);
    await expect(set('observe-only', operator)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(set('normal', operator)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    expect((await service().mode()).mode).toBe('stopped');
    await set('normal', admin);
    expect((await service().mode()).mode).toBe('normal');
    const records = fixture.audited.filter(({ action }) => action === 'mode.changed').slice(-7);
    expect(records.map(({ outcome }) => outcome)).toEqual([
      'refused',
      'refused',
      'refused',
      'allowed',
      'refused',
      'refused',
      'allowed',
    ]);
    expect(records.at(-1)).toMatchObject({ before: 'stopped', after: 'normal', reason: 'a test' });
    await expect
      .poll(
        async () =>
          (await database.store.events.read({ limit: 5_000 }))
            .filter(({ type }) => type === 'mode.changed')
            .map(({ data }) => data['mode']),
        { timeout: 15_000 },
      )
      .toEqual(expect.arrayContaining(['stopped', 'normal']));
  });
});

it('the mode survives a restart', async () => {
  const database = await testDatabase({ migrations: engineMigrations });
  try {
    const first = engineOn(database.store);
    await first.engine.service.setMode('stopped', { actor: operator, reason: 'a fire' });
    const second = engineOn(await database.openAnother(), { node: 'node_b' });
    expect(await second.engine.service.mode()).toMatchObject({ mode: 'stopped', by: 'olga', reason: 'a fire' });
    await expect(
      second.engine.service.start({
        automation: 'append-lines',
        input: { file: '/nowhere', lines: [] },
        trigger: 'cli',
        actor: admin,
      }),
    ).rejects.toMatchObject({ code: 'STEWARD_PAUSED' });
  } finally {
    await database.drop();
  }
});
