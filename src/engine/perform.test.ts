import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineAutomation } from '../core/automation.ts';
import { StewardError } from '../core/errors.ts';
import { performInMemory } from '../testing/perform-in-memory.ts';

/** A world of named counters: each change adds one to its counter, and rolling back takes one away. */
function world(
  options: {
    fail?: Record<string, unknown>;
    undo?: Record<string, 'automatic' | 'approval' | 'none'>;
    failUndo?: string;
    broken?: boolean;
    flaky?: number;
  } = {},
) {
  const counters = new Map<string, number>();
  const log: string[] = [];
  let flaky = options.flaky ?? 0;
  const automation = defineAutomation({
    name: 'count-up',
    version: 1,
    title: 'Count up',
    summary: 'Adds one to each counter.',
    category: 'maintenance',
    priority: 'P3',
    ifMissed: 'Nothing.',
    effect: 'write',
    load: 'light',
    needs: [],
    input: z.object({ names: z.array(z.string()).default(['a', 'b', 'c']) }),
    output: z.object({ total: z.number() }),
    examples: [],
    safeguards: { timeout: '1s', retry: { attempts: 3, backoff: '1ms' } },
    async analyze(ctx) {
      return { seen: ctx.input.names.map((name) => [name, counters.get(name) ?? 0] as const) };
    },
    async validate(_ctx, facts) {
      return [{ name: 'there are counters', ok: facts.seen.length > 0 }];
    },
    async plan(_ctx, facts) {
      return facts.seen.map(([name, from]) => ({
        id: name,
        title: `count ${name}`,
        undo: options.undo?.[name] ?? ('automatic' as const),
        from,
      }));
    },
    async execute(_ctx, change, { attempt }) {
      log.push(`execute ${change.id} ${attempt}`);
      if (flaky > 0) {
        flaky -= 1;
        throw new StewardError('UNAVAILABLE', 'not yet');
      }
      if (options.fail && change.id in options.fail) throw options.fail[change.id];
      counters.set(change.id, change.from + 1);
      return { to: change.from + 1 };
    },
    async verify(_ctx, { applied }) {
      return applied.map(({ change }) => ({
        name: `${change.id} counted`,
        ok: !options.broken && counters.get(change.id) === change.from + 1,
      }));
    },
    record: ({ applied }) => ({ total: applied.length }),
    async rollback(_ctx, change, receipt) {
      log.push(`undo ${change.id}${receipt ? '' : ' half-done'}`);
      if (options.failUndo === change.id) throw new Error('it is stuck');
      counters.set(change.id, change.from);
    },
  });
  return { automation, counters, log };
}

describe('the phases', () => {
  it('go from analyze to record, and verify looks at the world', async () => {
    const { automation, counters } = world();
    const run = await performInMemory(automation, { ports: {}, input: {} });
    expect(run).toMatchObject({ status: 'succeeded', output: { total: 3 } });
    expect(run.phases).toEqual([
      'analyze',
      'validate',
      'plan',
      'analyze',
      'plan',
      'validate',
      'execute',
      'verify',
      'record',
    ]);
    expect([...counters.values()]).toEqual([1, 1, 1]);
    expect(run.changes.map(({ status }) => status)).toEqual(['done', 'done', 'done']);
  });

  it('end after the plan in a dry run, and change nothing', async () => {
    const { automation, log } = world();
    const run = await performInMemory(automation, { ports: {}, input: {}, dryRun: true });
    expect(run.status).toBe('succeeded');
    expect(run.plan.map(({ title }) => title)).toEqual(['count a', 'count b', 'count c']);
    expect(log).toEqual([]);
  });

  it('stop where a statement does not hold, before there is a plan', async () => {
    const run = await performInMemory(world().automation, { ports: {}, input: { names: [] } });
    expect(run).toMatchObject({
      status: 'failed',
      plan: [],
      error: { code: 'PRECONDITION_FAILED', phase: 'validate' },
    });
    expect(run.checks).toEqual([{ name: 'there are counters', ok: false }]);
  });

  it('give a stale run, and change nothing, where the world moved after the plan', async () => {
    const { automation, counters, log } = world();
    const run = await performInMemory(automation, {
      ports: {},
      input: {},
      beforeApply: () => void counters.set('b', 7),
    });
    expect(run).toMatchObject({ status: 'stale', error: { code: 'PLAN_STALE' } });
    expect(log).toEqual([]);
  });

  it('try again what can get better by itself, and tell the attempt', async () => {
    const { automation, log } = world({ flaky: 2 });
    const run = await performInMemory(automation, { ports: {}, input: { names: ['a'] } });
    expect(run.status).toBe('succeeded');
    expect(log).toEqual(['execute a 1', 'execute a 2', 'execute a 3']);
    expect(run.changes[0]?.attempts).toBe(3);
  });

  it('refuse a plan of more than 500 changes', async () => {
    const run = await performInMemory(world().automation, {
      ports: {},
      input: { names: Array.from({ length: 501 }, (_, index) => `n${index}`) },
    });
    expect(run).toMatchObject({ status: 'failed', error: { code: 'TOO_LARGE' } });
  });

  it('refuse facts of more than one MiB', async () => {
    const { automation } = world();
    const talkative = {
      ...automation,
      analyze: async () => ({ seen: [], noise: 'x'.repeat(1_100_000) }),
      validate: async () => [],
    };
    const run = await performInMemory(talkative, { ports: {}, input: {} });
    expect(run).toMatchObject({ status: 'failed', error: { code: 'TOO_LARGE' } });
  });
});

describe('a run that fails', () => {
  it('takes back last first, the half-done change included', async () => {
    const { automation, counters, log } = world({ fail: { c: new Error('no') } });
    const run = await performInMemory(automation, { ports: {}, input: {} });
    expect(run).toMatchObject({ status: 'rolled-back', error: { code: 'INTERNAL', phase: 'execute' } });
    expect(log.slice(3)).toEqual(['undo c half-done', 'undo b', 'undo a']);
    expect([...counters.values()]).toEqual([0, 0, 0]);
  });

  it('takes back everything when verify does not hold', async () => {
    const { automation, counters } = world({ broken: true });
    const run = await performInMemory(automation, { ports: {}, input: {} });
    expect(run).toMatchObject({ status: 'rolled-back', error: { code: 'VERIFICATION_FAILED' } });
    expect([...counters.values()]).toEqual([0, 0, 0]);
    expect(run.changes.every(({ status }) => status === 'undone')).toBe(true);
  });

  it('leaves what cannot be taken back, and says precisely what', async () => {
    const { automation, log } = world({ fail: { c: new Error('no') }, undo: { a: 'none', b: 'approval' } });
    const run = await performInMemory(automation, { ports: {}, input: {} });
    expect(log.slice(3)).toEqual(['undo c half-done']);
    expect(run.status).toBe('rollback-failed');
    expect(run.error?.message).toContain(
      'Could not be put back: count a (it cannot be taken back); count b (taking it back would destroy something',
    );
  });

  it('goes on taking back when one undo fails, and says which', async () => {
    const { automation, log } = world({ fail: { c: new Error('no') }, failUndo: 'b' });
    const run = await performInMemory(automation, { ports: {}, input: {} });
    expect(run).toMatchObject({ status: 'rollback-failed', error: { code: 'ROLLBACK_FAILED' } });
    expect(run.error?.message).toContain('count b (it is stuck)');
    expect(log).toContain('undo a');
  });

  it('that is canceled before its first change ends canceled', async () => {
    const cancel = new AbortController();
    const { automation, log } = world();
    const run = await performInMemory(automation, {
      ports: {},
      input: {},
      signal: cancel.signal,
      beforeApply: () => cancel.abort(new StewardError('CANCELED', 'enough')),
    });
    expect(run).toMatchObject({ status: 'canceled', error: { code: 'CANCELED', message: 'enough' } });
    expect(log).toEqual([]);
  });
});

describe('secrets', () => {
  it('do not reach facts, plans or receipts, neither by name nor by value', async () => {
    const automation = defineAutomation({
      ...world().automation,
      effect: 'read',
      output: z.object({ text: z.string() }),
      async analyze(ctx) {
        return { password: 'hunter2', said: `it is ${await ctx.secret({ env: 'KEY' })}!` };
      },
      validate: async () => [],
      verify: async () => [{ name: 'fine', ok: true }],
      record: ({ facts }) => ({ text: `${facts.password} ${facts.said}` }),
    });
    const run = await performInMemory(automation, { ports: {}, input: {}, secret: async () => 'sesame-open' });
    expect(run.output).toEqual({ text: '[redacted] it is [redacted]!' });
  });
});
