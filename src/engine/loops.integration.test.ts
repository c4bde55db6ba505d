import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Actor, systemActor, type Trigger } from '../core/actor.ts';
import { defineAutomation } from '../core/automation.ts';
import type { EventType } from '../core/event.ts';
import { isFinal, type Run } from '../core/run.ts';
import { type AnyWorkflow, defineWorkflow, type WorkflowStep } from '../core/workflow.ts';
import { testDatabase } from '../testing/database.ts';
import { aChain, admin, agent, engineOn, operator, resource } from '../testing/engine.ts';
import type { BrokenLoop } from './loops.ts';
import { engineMigrations } from './tables.ts';

/** Presses a button: it always wants to be done again, and where it breaks it is taken back. */
const press = (name: string, breaks = false) =>
  defineAutomation({
    name,
    version: 1,
    title: 'Press',
    summary: 'Presses a button.',
    category: 'maintenance',
    priority: 'P3',
    ifMissed: 'Nothing.',
    effect: 'write',
    load: 'light',
    needs: [],
    input: z.object({ target: z.string().optional(), times: z.number().default(1), shape: z.string().default('') }),
    output: z.object({}),
    examples: [],
    safeguards: { timeout: '30s', retry: { attempts: 1, backoff: '5ms' } },
    target: async (input, inventory) =>
      input.target === undefined ? undefined : await inventory.resolve(input.target),
    analyze: async () => ({}),
    plan: async ({ input }) =>
      Array.from({ length: input.times }, (_, index) => ({
        id: `press-${index}`,
        title: `press ${input.shape}`,
        undo: 'automatic' as const,
      })),
    async execute() {
      if (breaks) throw new Error('the button broke');
      return {};
    },
    verify: async () => [],
    record: () => ({}),
    rollback: async () => undefined,
  });

const onEvent = (name: string, event: EventType, automation: string, input: WorkflowStep['input']): AnyWorkflow =>
  defineWorkflow({
    ...aChain,
    name,
    triggers: [{ kind: 'event', event }],
    steps: [{ id: 'only', title: 'only', automation, ...(input && { input }) }],
  });

async function within(
  workflows: readonly AnyWorkflow[],
  body: (life: Awaited<ReturnType<typeof living>>) => Promise<void>,
): Promise<void> {
  const life = await living(workflows);
  try {
    await body(life);
  } finally {
    await life.end();
  }
}

async function living(workflows: readonly AnyWorkflow[]) {
  const database = await testDatabase({ migrations: engineMigrations });
  let ahead = 0;
  const now = () => new Date(Date.now() + ahead);
  const { engine } = engineOn(database.store, {
    automations: [press('press'), press('break', true), press('knock')],
    resources: [resource('shop'), resource('door'), resource('gate')],
    rules: [{ id: 'all', decision: 'auto', why: 'A test.' }],
    now,
    workflows,
  });
  await engine.start();
  const { service } = engine;
  const ask = async <T>(name: string, input: object = {}, actor: Actor = operator): Promise<T> => {
    const operation = engine.operations.find((each) => each.name === name);
    if (!operation) throw new Error(`There is no ${name}.`);
    const call = { actor, now: now(), from: 'local', requestId: 'r' };
    return operation.output.parse(await operation.handle(operation.input.parse(input), call)) as T;
  };
  const start = (automation: string, input: object, trigger: Trigger = 'cli', actor: Actor = operator) =>
    service.start({ automation, input, trigger, actor });
  return {
    service,
    ask,
    start,
    later: (ms: number) => void (ahead += ms),
    loops: async () => (await ask<{ items: BrokenLoop[] }>('loops')).items,
    runs: async () => (await service.list({ limit: 500 })).items.toReversed(),
    told: async () => (await database.store.events.read({ limit: 5_000 })).filter(({ type }) => type === 'loop.broken'),
    executions: async () =>
      (await Promise.all(workflows.map(({ name }) => engine.workflows.executions(name, { limit: 100 })))).flatMap(
        ({ items }) => items,
      ),
    async ended(run: Run) {
      await expect
        .poll(async () => isFinal((await service.get(run.id))?.status ?? 'queued'), { timeout: 10_000, interval: 20 })
        .toBe(true);
      return await service.get(run.id);
    },
    async end() {
      await engine.stop();
      await database.drop();
    },
  };
}

describe('two workflows that start each other by their events', () => {
  const ROUND = [
    onEvent('when_pressed', 'run.succeeded', 'break', () => ({ target: 'shop' })),
    onEvent('when_broken', 'run.rolled-back', 'press', () => ({ target: 'door' })),
  ];
  const names = (runs: readonly Run[]) => runs.map(({ automation }) => automation);

  it('are cut when the loop would close for the second time, and the cycle is shown', async () => {
    await within(ROUND, async ({ start, runs, loops, told, executions, ask }) => {
      await start('press', { target: 'door' });
      await expect.poll(async () => (await loops()).length, { timeout: 20_000 }).toBe(1);
      expect(names(await runs())).toEqual(['press', 'break', 'press', 'break']);
      const [loop] = await loops();
      expect(loop).toMatchObject({
        kind: 'cycle',
        refused: 1,
        message: 'press would start itself again: press → run.succeeded → break → run.rolled-back → press.',
      });
      expect(loop?.cycle.map(({ kind }) => kind)).toEqual(['run', 'event', 'run', 'event', 'run']);
      await expect.poll(async () => (await told()).length, { timeout: 10_000 }).toBe(1);
      expect((await told())[0]).toMatchObject({
        subject: { kind: 'loop', id: loop?.id },
        data: { shown: 'press → run.succeeded → break → run.rolled-back → press' },
      });
      await expect
        .poll(async () => (await executions()).flatMap(({ steps }) => steps.map(({ message = '' }) => message)), {
          timeout: 10_000,
        })
        .toContainEqual(expect.stringContaining('would start itself again'));

      // Frozen: it closes not even once, whoever begins it; what is no part of it goes on, and nobody is told again.
      const before = (await runs()).length;
      await start('break', { target: 'shop' });
      await expect.poll(async () => (await loops())[0]?.refused, { timeout: 20_000 }).toBe(2);
      expect(names((await runs()).slice(before))).toEqual(['break', 'press']);
      await start('knock', { target: 'gate' });
      await expect.poll(async () => names((await runs()).slice(before + 2)), { timeout: 10_000 }).toContain('break');
      expect(await told()).toHaveLength(1);

      await expect(ask('release-loop', { id: 'loop_none' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
      expect(await ask<BrokenLoop>('release-loop', { id: loop?.id }, admin)).toMatchObject({ releasedBy: 'ada' });
      expect(await loops()).toEqual([]);
    });
  }, 60_000);

  it('are free again after an hour', async () => {
    await within(ROUND, async ({ start, loops, later }) => {
      await start('press', { target: 'door' });
      await expect.poll(async () => (await loops()).length, { timeout: 20_000 }).toBe(1);
      later(3_601_000);
      expect(await loops()).toEqual([]);
    });
  }, 60_000);
});

describe('a chain of causes', () => {
  it('that never does the same twice ends after twenty', async () => {
    const always = onEvent('always', 'run.succeeded', 'press', ({ context }) => ({
      shape: String((context['event'] as { id: number }).id),
    }));
    await within([always], async ({ start, runs, loops }) => {
      await start('knock', {});
      await expect.poll(async () => (await loops()).length, { timeout: 40_000 }).toBe(1);
      expect((await loops())[0]?.message).toContain('more than 20 causes');
      expect((await runs()).length).toBe(21);
    });
  }, 60_000);

  it('of workflows that do nothing at all ends too', async () => {
    const again = onEvent('again', 'workflow.finished', 'not-there', undefined);
    const first = onEvent('first', 'run.succeeded', 'not-there', undefined);
    await within([again, first], async ({ start, loops, executions }) => {
      await start('knock', {});
      await expect.poll(async () => (await loops()).length, { timeout: 30_000 }).toBe(1);
      expect((await loops())[0]).toMatchObject({
        message: 'again would start itself again: again → workflow.finished → again.',
      });
      // Told by the end of the first, then twice by its own.
      expect((await executions()).map(({ workflow }) => workflow).toSorted()).toEqual([
        'again',
        'again',
        'again',
        'first',
      ]);
    });
  }, 60_000);
});

describe('the same action without a lasting change', () => {
  const BY_ITSELF: readonly [Trigger, Actor][] = [
    ['healing', systemActor('healing')],
    ['mcp', agent],
  ];

  it('is refused the sixth time within an hour, on that target, where no person asks', async () => {
    await within([], async ({ start, ended, loops, ask }) => {
      for (const [index, [trigger, actor]] of BY_ITSELF.entries()) {
        const target = ['shop', 'door'][index] ?? '';
        const again = (input: object = {}) => start('press', { target, ...input }, trigger, actor);
        for (let times = 0; times < 5; times += 1) expect((await ended(await again()))?.status).toBe('succeeded');
        await expect(again()).rejects.toMatchObject({
          code: 'LOOP_BROKEN',
          message: expect.stringContaining('changes nothing that lasts'),
          hint: expect.stringContaining('steward loop release'),
        });
        await expect(again()).rejects.toMatchObject({ code: 'LOOP_BROKEN' });
        const loop = (await loops()).find(({ kind }) => kind === 'no-change');
        expect(loop).toMatchObject({ refused: 2 });
        // Other automations, other targets, persons and the clock are free.
        for (const [automation, where, by, who] of [
          ['knock', target, trigger, actor],
          ['press', 'gate', trigger, actor],
          ['press', target, 'cli', operator],
          ['press', target, 'schedule', systemActor('schedule')],
        ] as const)
          expect((await ended(await start(automation, { target: where }, by, who)))?.status).toBe('succeeded');
        await ask('release-loop', { id: loop?.id });
        expect((await ended(await again()))?.status).toBe('succeeded');
      }
    });
  }, 60_000);

  it('is another matter where the plan is another one, or none', async () => {
    await within([], async ({ start, ended, loops }) => {
      const healer = systemActor('healing');
      for (let times = 0; times < 7; times += 1) {
        const shape = { target: 'shop', shape: String(times) };
        expect((await ended(await start('press', shape, 'healing', healer)))?.status).toBe('succeeded');
        const nothing = { target: 'door', times: 0 };
        expect((await ended(await start('press', nothing, 'healing', healer)))?.status).toBe('succeeded');
      }
      expect(await loops()).toEqual([]);
    });
  }, 60_000);
});
