import { readFile, writeFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Actor, Trigger } from '../core/actor.ts';
import { defineAutomation } from '../core/automation.ts';
import { DEFAULT_POLICY } from '../core/policy.ts';
import type { Change, Run } from '../core/run.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import {
  admin,
  agent,
  appendLines,
  confirmed,
  destroyIt,
  type EngineFixture,
  engineOn,
  operator,
  resource,
  scratch,
} from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

const WAIT = { timeoutMs: 20_000 };

const linesOf = async (file: string): Promise<string[]> =>
  (await readFile(file, 'utf8').catch(() => '')).split('\n').filter(Boolean);

/** Brings a file to hold lines, and takes only those out again that it put in. Knows what is missing, so that looking again proves something. */
const keepLines = defineAutomation({
  name: 'keep-lines',
  version: 1,
  title: 'Keep lines',
  summary: 'Keeps lines in a file.',
  category: 'maintenance',
  priority: 'P3',
  ifMissed: 'Nothing.',
  effect: 'write',
  load: 'light',
  needs: [],
  examples: [],
  safeguards: { timeout: '30s', retry: { attempts: 1, backoff: '5ms' } },
  input: z.object({
    file: z.string(),
    lines: z.array(z.string()),
    undo: z.record(z.string(), z.enum(['automatic', 'approval', 'none'])).default({}),
    failAt: z.string().optional(),
    stuck: z.string().optional(),
    target: z.string().optional(),
  }),
  output: z.object({ receipts: z.array(z.string()) }),
  async target(input, inventory) {
    return input.target === undefined ? undefined : await inventory.resolve(input.target);
  },
  async analyze({ input }) {
    const held = await linesOf(input.file);
    return { missing: input.lines.filter((line) => !held.includes(line)), held };
  },
  plan: async ({ input }, { missing }) =>
    missing.map((line): Change => ({ id: line, title: `add ${line}`, undo: input.undo[line] ?? 'automatic' })),
  async execute({ input, run }, { id }, { receipts }) {
    if (input.failAt === id && !(await linesOf(`${input.file}.mended`)).includes('yes')) throw new Error(`no ${id}`);
    await writeFile(input.file, `${[...(await linesOf(input.file)), id].join('\n')}\n`);
    return `${id} after ${[...receipts.keys()].join('+')} in ${run.id}`;
  },
  async verify({ input }, { applied }) {
    const held = await linesOf(input.file);
    return applied.map(({ change }) => ({ name: `${change.id} is there`, ok: held.includes(change.id) }));
  },
  record: ({ applied }) => ({ receipts: applied.map(({ receipt }) => receipt) }),
  async rollback({ input, run }, { id }, receipt) {
    if (input.stuck === `throws ${id}`) throw new Error(`${id} sticks`);
    await writeFile(`${input.file}.undo`, `${id} ${run.id} ${receipt ?? 'half'}\n`, { flag: 'a' });
    if (input.stuck === id) return;
    await writeFile(input.file, (await linesOf(input.file)).filter((line) => line !== id).join('\n'));
  },
});

describe('what is asked about a run that ended', () => {
  let database: TestDatabase;
  let fixture: EngineFixture;
  let place: Awaited<ReturnType<typeof scratch>>;
  let now = () => new Date();
  let count = 0;
  const fresh = () => `${place.file}-${(count += 1)}`;
  const service = () => fixture.engine.service;
  const ended = (run: Run) => service().wait(run.id, WAIT);
  const about = (actor: Actor = operator, trigger: Trigger = 'cli') => ({ actor, trigger });
  const run = async (input: z.input<typeof keepLines.input>, options: object = {}): Promise<Run> =>
    await ended(
      await service().start({ automation: 'keep-lines', input, trigger: 'cli', actor: operator, ...options }),
    );
  const statuses = async (id: string) => (await service().get(id))?.changes.map(({ status }) => status);

  beforeAll(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    place = await scratch();
    fixture = engineOn(database.store, {
      automations: [keepLines, appendLines, destroyIt],
      resources: [resource('shop')],
      rules: DEFAULT_POLICY,
      now: () => now(),
    });
    await fixture.engine.start();
  }, 60_000);
  afterAll(async () => {
    await fixture?.engine.stop();
    await database?.drop();
    await place?.remove();
  });

  describe('undo', () => {
    it('takes the changes back, last first, as a run of its own, and looks whether they are gone', async () => {
      const file = fresh();
      const first = await run({ file, lines: ['a', 'b'], target: 'shop' });
      const undone = await ended(await service().undo(first.id, { ...about(), reason: 'a mistake' }));
      expect(undone).toMatchObject({
        status: 'succeeded',
        relation: { kind: 'undoes', runId: first.id },
        reason: 'a mistake',
        target: { id: 'res_shop' },
        decisionRule: 'people',
        plan: [
          { id: 'b', title: 'Take back: add b', undo: 'none', takesBack: 'automatic' },
          { id: 'a', title: 'Take back: add a' },
        ],
        checks: [
          { name: 'It is as before: add b', ok: true },
          { name: 'It is as before: add a', ok: true },
        ],
        output: { takenBack: ['add b', 'add a'], stays: [] },
      });
      expect(await linesOf(file)).toEqual([]);
      // Under the name of the run that did it, with the receipts of then.
      expect(await linesOf(`${file}.undo`)).toEqual([
        `b ${first.id} b after a in ${first.id}`,
        `a ${first.id} a after  in ${first.id}`,
      ]);
      expect(await statuses(first.id)).toEqual(['undone', 'undone']);
      expect((await service().get(first.id))?.status).toBe('succeeded');
    });

    it('is refused where there is nothing to take back', async () => {
      const file = fresh();
      const done = await run({ file, lines: ['a'] });
      await ended(await service().undo(done.id, about()));
      const dry = await run({ file, lines: ['b'] }, { dryRun: true });
      const nothing = await run({ file, lines: [] });
      const stays = await run({ file: fresh(), lines: ['a'], undo: { a: 'none' } });
      const waiting = await run({ file, lines: ['c'] }, { actor: agent, trigger: 'mcp' });
      const cases: [Run, string, RegExp][] = [
        [done, 'CONFLICT', /taken back already/],
        [dry, 'CONFLICT', /dry run/],
        [nothing, 'CONFLICT', /changed nothing/],
        [stays, 'PRECONDITION_FAILED', /cannot be taken back/],
        [waiting, 'CONFLICT', /waiting-approval/],
      ];
      for (const [{ id }, code, message] of cases)
        await expect(service().undo(id, about())).rejects.toMatchObject({
          code,
          message: expect.stringMatching(message),
        });
      await expect(service().undo('run_none', about())).rejects.toMatchObject({ code: 'NOT_FOUND' });
    });

    it('waits for a person who confirms where taking back would destroy, and says what stays', async () => {
      const file = fresh();
      const undo = { a: 'none', b: 'approval' } as const;
      const first = await run({ file, lines: ['a', 'b', 'c'], undo });
      expect(first.impact).toMatchObject({ undo: { automatic: 1, approval: 1, none: 1 }, recoveryPoint: null });
      const asked = await ended(await service().undo(first.id, about()));
      expect(asked).toMatchObject({
        status: 'waiting-approval',
        effect: 'destructive',
        decisionRule: 'destroying',
        plan: [{ id: 'c' }, { id: 'b', takesBack: 'approval' }],
        facts: { stays: ['add a'] },
      });
      await expect(service().undo(first.id, about())).rejects.toMatchObject({
        code: 'CONFLICT',
        message: expect.stringContaining(asked.id),
      });
      const planHash = asked.planHash ?? '';
      await expect(service().approve(asked.id, { planHash, actor: admin })).rejects.toMatchObject({
        code: 'CONFIRMATION_REQUIRED',
      });
      await service().approve(asked.id, { planHash, actor: admin, confirmation: confirmed(asked) });
      expect(await ended(asked)).toMatchObject({ status: 'succeeded', output: { stays: ['add a'] } });
      expect(await linesOf(file)).toEqual(['a']);
      expect(await statuses(first.id)).toEqual(['done', 'undone', 'undone']);
    });

    it('fails where the world does not look as before, and says of which change', async () => {
      const file = fresh();
      const first = await run({ file, lines: ['a', 'b'], stuck: 'a' });
      const undone = await ended(await service().undo(first.id, about()));
      expect(undone).toMatchObject({
        status: 'failed',
        error: { code: 'VERIFICATION_FAILED', message: expect.stringContaining('add a') },
      });
      expect(await statuses(first.id)).toEqual(['undo-failed', 'undone']);
    });

    it('ends at the first change that cannot be taken back; what is left can be tried again', async () => {
      const file = fresh();
      const first = await run({ file, lines: ['a', 'b', 'c'], stuck: 'throws b' });
      const undone = await ended(await service().undo(first.id, about()));
      expect(undone).toMatchObject({
        status: 'failed',
        error: { message: 'b sticks Taken back before that: add c.' },
        changes: [{ status: 'done' }, { status: 'failed' }, { status: 'skipped' }],
      });
      expect(await statuses(first.id)).toEqual(['done', 'undo-failed', 'undone']);
      const again = await ended(await service().undo(first.id, about()));
      expect(again.plan?.map(({ id }) => id)).toEqual(['b', 'a']);
    });

    it('asked for twice at once happens once', async () => {
      const first = await run({ file: fresh(), lines: ['a'] });
      const outcomes = await Promise.allSettled([1, 2, 3].map(() => service().undo(first.id, about())));
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected']);
      for (const outcome of outcomes)
        if (outcome.status === 'fulfilled') await ended(outcome.value);
        else expect(outcome.reason).toMatchObject({ code: 'CONFLICT' });
    });

    it('is only proposed by an agent, who takes nothing back by itself', async () => {
      const file = fresh();
      const first = await run({ file, lines: ['a'] });
      const asked = await ended(await service().undo(first.id, about(agent, 'mcp')));
      expect(asked).toMatchObject({ status: 'waiting-approval', decisionRule: 'agents-propose' });
      expect(await linesOf(file)).toEqual(['a']);
    });
  });

  describe('resume', () => {
    it('does only what is left, and knows what was done', async () => {
      const file = fresh();
      const undo = { a: 'none', b: 'none' } as const;
      const first = await run({ file, lines: ['a', 'b', 'c', 'd'], undo, failAt: 'c' }, { actor: operator });
      expect(first.status).toBe('rollback-failed');
      expect(await statuses(first.id)).toEqual(['done', 'done', 'undone', 'skipped']);
      await writeFile(`${file}.mended`, 'yes\n');
      const rest = await ended(await service().resume(first.id, about()));
      expect(rest).toMatchObject({
        status: 'succeeded',
        relation: { kind: 'continues', runId: first.id },
        plan: [{ id: 'c' }, { id: 'd' }],
      });
      expect(rest.checks.map(({ name }) => name)).toEqual(['a is there', 'b is there', 'c is there', 'd is there']);
      expect(rest.output).toEqual({
        receipts: [
          `a after  in ${first.id}`,
          `b after a in ${first.id}`,
          `c after a+b in ${rest.id}`,
          `d after a+b+c in ${rest.id}`,
        ],
      });
      await expect(service().resume(rest.id, about())).rejects.toMatchObject({ code: 'CONFLICT' });
    });

    it('is refused where nothing is there to go on from', async () => {
      const first = await run({ file: fresh(), lines: ['a', 'b'], failAt: 'b' });
      expect(await statuses(first.id)).toEqual(['undone', 'undone']);
      await expect(service().resume(first.id, about())).rejects.toMatchObject({
        code: 'CONFLICT',
        hint: expect.stringContaining('repeat'),
      });
    });

    it('asks a person again for what destroys', async () => {
      const file = fresh();
      const input = { file, lines: ['a', 'b'], failAt: 'b', undo: 'none' };
      const first = await ended(
        await service().start({ automation: 'destroy-lines', input, trigger: 'cli', actor: admin }),
      );
      await service().approve(first.id, {
        planHash: first.planHash ?? '',
        actor: admin,
        confirmation: confirmed(first),
      });
      expect((await ended(first)).status).toBe('failed');
      const rest = await ended(await service().resume(first.id, about(admin)));
      expect(rest).toMatchObject({ status: 'waiting-approval', plan: [{ id: 'b' }], effect: 'destructive' });
      await expect(
        service().approve(rest.id, { planHash: rest.planHash ?? '', actor: admin, confirmation: confirmed(first) }),
      ).rejects.toMatchObject({ code: 'CONFIRMATION_REQUIRED' });
    });
  });

  it('repeat plans the same input anew', async () => {
    const file = fresh();
    const first = await run({ file, lines: ['a'] });
    await writeFile(file, '');
    const again = await ended(await service().repeat(first.id, about()));
    expect(again).toMatchObject({ status: 'succeeded', relation: { kind: 'repeats', runId: first.id } });
    expect(again.id).not.toBe(first.id);
    expect(again.input).toEqual(first.input);
    expect(await linesOf(file)).toEqual(['a']);
  });

  describe('a plan token', () => {
    const plan = async (file: string, actor = operator) => {
      const dry = await run({ file, lines: ['a'] }, { dryRun: true, actor });
      return { dry, token: await service().planToken(dry.id, { actor }) };
    };
    const use = (planToken: string, file: string, more: object = {}) =>
      service().start({
        automation: 'keep-lines',
        input: { file, lines: ['a'] },
        trigger: 'cli',
        actor: operator,
        planToken,
        ...more,
      });

    it('starts exactly the plan that was shown, once', async () => {
      const file = fresh();
      const { dry, token } = await plan(file);
      expect(token).toMatchObject({ token: expect.stringMatching(/^stp_/), planHash: dry.planHash });
      const outcomes = await Promise.allSettled([use(token.token, file), use(token.token, file)]);
      expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
      for (const outcome of outcomes)
        if (outcome.status === 'fulfilled')
          expect(await ended(outcome.value)).toMatchObject({ status: 'succeeded', planHash: dry.planHash });
        else expect(outcome.reason).toMatchObject({ code: 'CONFLICT' });
      const stored = JSON.stringify((await database.store.pool.query('select * from plan_tokens')).rows);
      expect(stored).not.toContain(token.token);
      expect(JSON.stringify(fixture.audited)).not.toContain(token.token);
    });

    it('gives a stale run, and changes nothing, where the world has moved', async () => {
      const file = fresh();
      const { token } = await plan(file);
      await writeFile(file, 'a\n');
      const stale = await ended(await use(token.token, file));
      expect(stale).toMatchObject({ status: 'stale', error: { code: 'PLAN_STALE' } });
      expect(await linesOf(file)).toEqual(['a']);
      const { items } = await service().list({ automation: 'keep-lines', limit: 5 });
      expect(items.filter(({ relation }) => relation?.runId === stale.id)).toEqual([]);
    });

    it('is refused to others, for other input, when it is old, and each time that is in the audit', async () => {
      const file = fresh();
      const { token } = await plan(file);
      const tries: [() => Promise<unknown>, string][] = [
        [() => use(`${token.token}x`, file), 'FORBIDDEN'],
        [() => use(token.token, file, { actor: admin }), 'FORBIDDEN'],
        [() => use(token.token, file, { actor: agent, trigger: 'mcp' }), 'FORBIDDEN'],
        [() => use(token.token, fresh()), 'PLAN_STALE'],
        [() => use(token.token, file, { input: { file, lines: ['a', 'b'] } }), 'PLAN_STALE'],
        [() => use(token.token, file, { automation: 'append-lines' }), 'PLAN_STALE'],
        [() => use(token.token, file, { dryRun: true }), 'INPUT_INVALID'],
      ];
      const before = fixture.audited.length;
      for (const [attempt, code] of tries) await expect(attempt()).rejects.toMatchObject({ code });
      now = () => new Date(Date.now() + 15 * 60_000 + 1_000);
      await expect(use(token.token, file)).rejects.toMatchObject({ code: 'PLAN_STALE' });
      now = () => new Date();
      const refused = fixture.audited.slice(before).filter(({ outcome }) => outcome === 'refused');
      expect(refused).toHaveLength(tries.length + 1);
      expect(await linesOf(file)).toEqual([]);
      // None of it used the token up.
      expect((await ended(await use(token.token, file))).status).toBe('succeeded');
    });

    it('of an agent skips no approval', async () => {
      const file = fresh();
      const { token } = await plan(file, agent);
      const asked = await ended(await use(token.token, file, { actor: agent, trigger: 'mcp' }));
      expect(asked).toMatchObject({ status: 'waiting-approval', decisionRule: 'agents-propose' });
      expect(await linesOf(file)).toEqual([]);
    });

    it('is given for a dry run that succeeded, and for nothing else', async () => {
      const file = fresh();
      const real = await run({ file, lines: ['a'] });
      await expect(service().planToken(real.id, { actor: operator })).rejects.toMatchObject({ code: 'CONFLICT' });
      const dry = await run({ file, lines: ['b'] }, { dryRun: true });
      await expect(service().planToken(dry.id, { actor: { ...operator, role: 'viewer' } })).rejects.toMatchObject({
        code: 'FORBIDDEN',
      });
    });
  });
});
