import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { systemActor } from '../core/actor.ts';
import { type AnyAutomation, defineAutomation } from '../core/automation.ts';
import { DEFAULT_POLICY } from '../core/policy.ts';
import { isFinal } from '../core/run.ts';
import { defineWorkflow } from '../core/workflow.ts';
import { testDatabase } from '../testing/database.ts';
import {
  admin,
  agent,
  appendLines,
  confirmed,
  destroyIt,
  engineOn,
  operator,
  resource,
  scratch,
} from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

const WAIT = { timeoutMs: 20_000 };

describe('what waits for a person', () => {
  it('holds nothing: healing heals beside ten of them, and a chain of fifty runs on one node ends', async () => {
    const database = await testDatabase({ migrations: engineMigrations });
    const place = await scratch();
    const services = Array.from({ length: 10 }, (_, index) => resource(`s${index}`));
    const steps = Array.from({ length: 50 }, (_, index) => ({
      id: `n${index}`,
      title: `step ${index}`,
      automation: 'append-lines',
      input: () => ({ file: place.file, lines: [`n${index}`] }),
    }));
    const long = defineWorkflow({
      name: 'long',
      version: 1,
      title: 'A long chain',
      summary: 'A chain of fifty.',
      priority: 'P3',
      ifMissed: 'Nothing.',
      origin: 'user',
      triggers: [],
      steps,
    });
    const { engine } = engineOn(database.store, {
      resources: services,
      workflows: [long],
      rules: [{ id: 'healing', trigger: 'healing', decision: 'auto', why: 'A test.' }, ...DEFAULT_POLICY],
    });
    const { service, workflows } = engine;
    try {
      await engine.start();
      const chain = await workflows.execute('long', { context: {}, trigger: 'api', actor: operator });
      const proposals = await Promise.all(
        services.map(async ({ name }) => {
          const input = { file: `${place.file}-${name}`, lines: ['x'], target: name };
          const { id } = await service.start({ automation: 'destroy-lines', input, trigger: 'mcp', actor: agent });
          return await service.wait(id, WAIT);
        }),
      );
      expect(new Set(proposals.map(({ status }) => status))).toEqual(new Set(['waiting-approval']));
      // Each on a service that a proposal waits for, so that a lock or a place that it held would be missed.
      const heals = await Promise.all(
        services.map(async ({ name }) => {
          const input = { file: `${place.file}-heal`, lines: [name], target: name };
          const actor = systemActor('healing');
          const { id } = await service.start({ automation: 'append-lines', input, trigger: 'healing', actor });
          return await service.wait(id, WAIT);
        }),
      );
      expect(new Set(heals.map(({ status }) => status))).toEqual(new Set(['succeeded']));
      const found = async () =>
        (await workflows.executions('long', { limit: 1 })).items.find(({ id }) => id === chain.id);
      await expect.poll(async () => (await found())?.status, { timeout: 60_000, interval: 200 }).toBe('succeeded');
      expect((await place.lines()).filter((line) => line.startsWith('end'))).toEqual(
        steps.map(({ id }) => `end ${id} 1`),
      );
      for (const { id } of proposals) expect((await service.get(id))?.status).toBe('waiting-approval');
      const { rows } = await database.store.pool.query(`select name, holder from engine_locks where holder <> ''`);
      const holders = new Set(proposals.map(({ id }) => id));
      expect(rows.filter(({ holder }) => holders.has(holder))).toEqual([]);
    } finally {
      await engine.stop();
      await database.drop();
      await place.remove();
    }
  }, 90_000);

  it('through an upgrade that adds a step is planned again when it is approved, and not broken', async () => {
    const database = await testDatabase({ migrations: engineMigrations });
    const place = await scratch();
    const older: AnyAutomation = destroyIt;
    const newer: AnyAutomation = {
      ...destroyIt,
      version: 2,
      async plan(...given: Parameters<typeof destroyIt.plan>) {
        const changes = await destroyIt.plan(...given);
        return [{ id: 'first', title: 'append first', undo: 'automatic' as const, moment: '' }, ...changes];
      },
    };
    const read = async () => await readFile(place.file, 'utf8').catch(() => '');
    try {
      const before = engineOn(database.store, { automations: [older] });
      await before.engine.start();
      const input = { file: place.file, lines: ['a'] };
      const { id } = await before.engine.service.start({
        automation: 'destroy-lines',
        input,
        trigger: 'mcp',
        actor: agent,
      });
      const waiting = await before.engine.service.wait(id, WAIT);
      expect(waiting).toMatchObject({ status: 'waiting-approval', version: 1, plan: [{ id: 'a' }] });
      await before.engine.stop();

      const after = engineOn(await database.openAnother(), { automations: [newer] });
      const { service } = after.engine;
      await after.engine.start();
      try {
        const approve = async (run: typeof waiting) =>
          await service.approve(run.id, {
            planHash: run.planHash ?? '',
            actor: admin,
            confirmation: confirmed(run),
          });
        await approve(waiting);
        await expect
          .poll(async () => isFinal((await service.get(id))?.status ?? 'queued'), { timeout: 15_000 })
          .toBe(true);
        expect(await service.get(id)).toMatchObject({
          status: 'stale',
          error: { code: 'PLAN_STALE', message: expect.stringContaining('from version 1 to 2') },
        });
        expect(await read()).toBe('');
        const successor = async () =>
          (await service.list({ automation: 'destroy-lines' })).items.find(({ relation }) => relation?.runId === id);
        await expect.poll(async () => (await successor())?.status, { timeout: 15_000 }).toBe('waiting-approval');
        const next = await successor();
        expect(next).toMatchObject({
          version: 2,
          relation: { kind: 'replans' },
          plan: [{ id: 'first' }, { id: 'a' }],
        });
        // What was said of the old plan says nothing of the new one.
        await expect(
          service.approve(next?.id ?? '', { planHash: waiting.planHash ?? '', actor: admin }),
        ).rejects.toMatchObject({ code: 'PLAN_STALE' });
        if (next) await approve(next);
        expect((await service.wait(next?.id ?? '', WAIT)).status).toBe('succeeded');
        expect((await read()).split('\n').filter((line) => line.startsWith('end'))).toEqual(['end first 1', 'end a 1']);
      } finally {
        await after.engine.stop();
      }
    } finally {
      await database.drop();
      await place.remove();
    }
  }, 60_000);
});

describe('whoever approves', () => {
  it('sees what depends on the target, what can be taken back, and what could be restored', async () => {
    const database = await testDatabase({ migrations: engineMigrations });
    const place = await scratch();
    const [shop, page, mail] = [resource('shop'), resource('page', { critical: true }), resource('mail')];
    const mixed = defineAutomation({
      name: 'mixed',
      version: 1,
      title: 'Mixed',
      summary: 'Does this and that.',
      category: 'maintenance',
      priority: 'P3',
      ifMissed: 'Nothing.',
      effect: 'destructive',
      load: 'light',
      needs: [],
      input: z.object({ target: z.string() }),
      output: z.object({}),
      examples: [],
      safeguards: { timeout: '5s', retry: { attempts: 1, backoff: '1ms' } },
      target: async (input, inventory) => await inventory.resolve(input.target),
      analyze: async () => ({}),
      plan: async () =>
        (['automatic', 'approval', 'none', 'none'] as const).map((undo, index) => ({
          id: String(index),
          title: `change ${index}`,
          undo,
        })),
      execute: async () => ({}),
      verify: async () => [],
      record: () => ({}),
      rollback: async () => undefined,
    });
    const { engine } = engineOn(database.store, {
      automations: [mixed, appendLines],
      resources: [shop, page, mail],
      dependents: { [shop.id]: [page, mail] },
      recoveryPointOf: async (id) => (id === shop.id ? 'the backup of yesterday, proven' : undefined),
    });
    const plan = async (automation: string, input: object) => {
      const request = { automation, input, trigger: 'cli', actor: operator, dryRun: true } as const;
      return (await engine.service.wait((await engine.service.start(request)).id, WAIT)).impact;
    };
    try {
      await engine.start();
      expect(await plan('mixed', { target: 'shop' })).toEqual({
        blastRadius: [
          { id: page.id, name: 'page', critical: true },
          { id: mail.id, name: 'mail', critical: false },
        ],
        undo: { automatic: 1, approval: 1, none: 2 },
        recoveryPoint: 'the backup of yesterday, proven',
      });
      expect(await plan('mixed', { target: 'mail' })).toMatchObject({ blastRadius: [], recoveryPoint: null });
      expect(await plan('append-lines', { file: place.file, lines: ['a'] })).toEqual({
        blastRadius: [],
        undo: { automatic: 1, approval: 0, none: 0 },
      });
    } finally {
      await engine.stop();
      await database.drop();
      await place.remove();
    }
  }, 60_000);
});
