import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemActor } from '../core/actor.ts';
import { type AnyAutomation, type Context, RUN_LIMITS } from '../core/automation.ts';
import { ms, parseDuration } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { PortName, Ports } from '../core/ports.ts';
import type { Change } from '../core/run.ts';
import { memoryLog } from './log.ts';
import { performInMemory } from './perform-in-memory.ts';
import { recordingPorts } from './recording-ports.ts';

export interface ContractOptions {
  /** Where the automations live. */
  readonly folder: string;
  readonly automations: readonly AnyAutomation[];
  readonly now: () => Date;
  /** A machine, made anew for every test, on which every example of every automation has something to do. */
  world(): Ports;
}

const secret = async (): Promise<string> => 'secret';
const CANCELED = new StewardError('CANCELED', 'Canceled by a test.');

/** What every automation owes, whoever wrote it. */
export function automationContract({ folder, automations, now, world }: ContractOptions): void {
  const folders = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

  describe('the list of automations', () => {
    it('has every folder, once, in the order of names', () => {
      expect(automations.map(({ name }) => name)).toEqual(folders.toSorted());
    });
  });

  describe.each(automations.map((automation) => [automation.name, automation] as const))('%s', (name, automation) => {
    it('lives in a folder of its name, with a test and a page', () => {
      for (const file of ['index.ts', 'index.test.ts', 'README.md'])
        expect(existsSync(join(folder, name, file)), file).toBe(true);
    });

    it('has a page that fits below a generated title', () => {
      const page = readFileSync(join(folder, name, 'README.md'), 'utf8');
      expect(page.split('\n').filter((line) => /^#{1,2} /.test(line))).toEqual([]);
      expect(page.trim().length).toBeGreaterThan(200);
    });

    it('says in one sentence what it does', () => {
      expect(automation.summary).toMatch(/^[A-Z][^\n]{10,160}\.$/);
      expect(automation.ifMissed.length).toBeGreaterThan(0);
      expect(parseDuration(automation.safeguards.timeout)).toBeGreaterThan(0);
      expect(parseDuration(automation.safeguards.retry.backoff)).toBeDefined();
    });

    it('gives no step more time than a run of its class has', () => {
      const { limit = 'default', timeout } = automation.safeguards;
      expect(ms(timeout), `${timeout} a step, of the limit '${limit}'`).toBeLessThanOrEqual(ms(RUN_LIMITS[limit]));
    });

    it('holds nothing throughout where it gives way to others', () => {
      if (automation.givesWay) expect(automation.locks).toBeUndefined();
    });

    it('describes every field of its input', () => {
      const { properties = {} } = z.toJSONSchema(automation.input, { io: 'input' }) as {
        properties?: Record<string, { description?: string }>;
      };
      for (const [field, schema] of Object.entries(properties)) expect(schema.description, field).toBeTruthy();
    });

    it('has examples that its schema takes', () => {
      expect(automation.examples.length).toBeGreaterThan(0);
      for (const { input } of automation.examples) expect(automation.input.safeParse(input).success).toBe(true);
    });

    it.each(automation.examples)('touches nothing before it may: $title', async ({ input }) => {
      const { ports, changes } = recordingPorts(world());
      const run = await performInMemory(automation, { ports, now, secret, input, dryRun: true });
      expect(run).toMatchObject({ status: 'succeeded' });
      if (automation.effect !== 'read') expect(run.plan.length).toBeGreaterThan(0);
      expect(changes).toEqual([]);
    });

    it.each(automation.examples)('does what it says and proves it: $title', async ({ input }) => {
      const { ports, changes } = recordingPorts(world());
      let beforeVerify = 0;
      const watched = {
        ...automation,
        async verify(context: Context<unknown, PortName>, done: { facts: unknown; applied: [] }) {
          beforeVerify = changes.length;
          return await automation.verify(context, done);
        },
      } as AnyAutomation;
      const run = await performInMemory(watched, { ports, now, secret, input });
      expect(run).toMatchObject({ status: 'succeeded' });
      expect(run.checks.length).toBeGreaterThan(0);
      // What only reads changes nothing, and nothing changes while it is verified.
      expect(beforeVerify > 0).toBe(automation.effect !== 'read');
      expect(changes).toHaveLength(beforeVerify);
    });

    it.each(automation.examples)('does nothing when it was canceled before it began: $title', async ({ input }) => {
      const { ports, changes } = recordingPorts(world());
      const run = await performInMemory(automation, { ports, now, secret, input, signal: AbortSignal.abort(CANCELED) });
      expect(run).toMatchObject({ status: 'canceled' });
      expect(changes).toEqual([]);
    });

    if (automation.effect === 'read') return;

    it.each(automation.examples)('begins no further change once it is canceled: $title', async ({ input }) => {
      const canceling = new AbortController();
      const { ports } = recordingPorts(world(), () => canceling.abort(CANCELED));
      const run = await performInMemory(automation, { ports, now, secret, input, signal: canceling.signal });
      expect(run.error).toMatchObject({ code: expect.stringMatching(/^(CANCELED|ROLLBACK_FAILED)$/) });
      const [first, ...others] = run.plan.map(({ id }) => run.changes.find((change) => change.id === id)?.status);
      expect(first).toBe(run.plan[0]?.undo === 'automatic' ? 'undone' : first);
      expect(first).toBeDefined();
      expect(others.filter(Boolean)).toEqual([]);
    });

    it.each(automation.examples)('does no harm when each change happens twice: $title', async ({ input }) => {
      const [once, twice] = [await planned(input), await planned(input)];
      await executed(once, 1);
      const applied = await executed(twice, 2);
      const checks = await automation.verify(twice.context, { facts: twice.facts, applied });
      expect(checks.filter(({ ok }) => !ok)).toEqual([]);
      // What is left to do is what is left after once.
      const next = async ({ context }: PlannedRun): Promise<unknown> =>
        await automation.plan(context, await automation.analyze(context));
      expect(await next(twice)).toEqual(await next(once));
    });

    it.each(automation.examples)(
      'can take back what it says it can, also what was never done: $title',
      async ({ input }) => {
        const { context, facts, plan, changes } = await planned(input);
        const reversible = plan.filter(({ undo }) => undo === 'automatic');
        if (reversible.length > 0) expect(automation.rollback).toBeDefined();
        for (const change of reversible) await automation.rollback?.(context, change, undefined);
        expect(changes).toEqual([]);
        const before: unknown = await automation.plan(context, await automation.analyze(context));
        for (const change of reversible) {
          const receipt: unknown = await automation.execute(context, change, {
            facts,
            receipts: new Map(),
            attempt: 1,
          });
          await automation.rollback?.(context, change, receipt);
          await automation.rollback?.(context, change, receipt);
        }
        // The world is as it was: the same plan would be made of it.
        expect(await automation.plan(context, await automation.analyze(context))).toEqual(before);
      },
    );

    interface PlannedRun {
      readonly context: Context<unknown, PortName>;
      readonly facts: unknown;
      readonly plan: readonly Change[];
      readonly changes: string[];
    }

    /** Each change so many times, as after a crash between a change and its checkpoint. */
    async function executed(
      { context, facts, plan }: PlannedRun,
      times: number,
    ): Promise<{ change: Change; receipt: unknown }[]> {
      if (automation.effect === 'read') throw new Error('What only reads executes nothing.');
      const applied = [];
      for (const change of plan) {
        let receipt: unknown;
        for (let attempt = 1; attempt <= times; attempt += 1)
          receipt = (await automation.execute(context, change, { facts, receipts: new Map(), attempt })) ?? receipt;
        applied.push({ change, receipt });
      }
      return applied;
    }

    async function planned(input: unknown): Promise<PlannedRun> {
      if (automation.effect === 'read') throw new Error('What only reads has no plan.');
      const { ports, changes } = recordingPorts(world());
      const context: Context<unknown, PortName> = {
        input: automation.input.parse(input),
        ports,
        signal: new AbortController().signal,
        now,
        log: memoryLog(),
        progress: () => undefined,
        run: { id: 'run_contract', trigger: 'cli', actor: systemActor('contract'), dryRun: false },
        node: { id: 'node_memory', name: 'memory' },
        artifact: async (name, content) => ({
          id: name,
          runId: 'run_contract',
          name,
          bytes: content.length,
          sha256: '',
        }),
        lease: async () => 1,
        holding: (_names, work) => work(),
        secret,
      };
      const facts: unknown = await automation.analyze(context);
      expect(JSON.parse(JSON.stringify(facts)), 'facts are JSON').toEqual(facts);
      const plan: readonly Change[] = await automation.plan(context, facts);
      return { context, facts, plan, changes };
    }
  });
}
