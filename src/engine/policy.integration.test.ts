import { sql } from 'kysely';
import { describe, expect, it } from 'vitest';
import type { PolicyRule } from '../core/policy.ts';
import { DEFAULT_POLICY } from '../core/policy.ts';
import { testDatabase } from '../testing/database.ts';
import { agent, appendLines, engineOn, operator, scratch } from '../testing/engine.ts';
import type { Store } from '../store/store.ts';
import { engineMigrations } from './tables.ts';

const WAIT = { timeoutMs: 20_000 };

async function within(
  options: Parameters<typeof engineOn>[1],
  body: (
    fixture: ReturnType<typeof engineOn> & { store: Store },
    place: Awaited<ReturnType<typeof scratch>>,
  ) => Promise<void>,
): Promise<void> {
  const database = await testDatabase({ migrations: engineMigrations });
  const place = await scratch();
  const fixture = engineOn(database.store, options);
  try {
    await body({ ...fixture, store: database.store }, place);
  } finally {
    await fixture.engine.stop();
    await database.drop();
    await place.remove();
  }
}

describe('policy', () => {
  it('that lets a run only look ends it after its plan', async () => {
    const rules: PolicyRule[] = [
      { id: 'hands-off', automation: 'append-lines', decision: 'observe', why: 'Not on this machine.' },
      ...DEFAULT_POLICY,
    ];
    await within({ rules }, async ({ engine }, { file, lines }) => {
      await engine.start();
      const { id } = await engine.service.start({
        automation: 'append-lines',
        input: { file, lines: ['a'] },
        trigger: 'cli',
        actor: operator,
      });
      await expect.poll(async () => (await engine.service.get(id))?.status, { timeout: 20_000 }).toBe('rejected');
      expect(await engine.service.get(id)).toMatchObject({
        decisionRule: 'hands-off',
        plan: [{ id: 'a' }],
        error: { code: 'POLICY_REFUSED' },
      });
      expect(await lines()).toEqual([]);
    });
  }, 60_000);

  it('does not ask about a plan that changes nothing', async () => {
    await within({}, async ({ engine }, { file }) => {
      await engine.start();
      const { id } = await engine.service.start({
        automation: 'append-lines',
        input: { file, lines: [] },
        trigger: 'mcp',
        actor: agent,
      });
      expect(await engine.service.wait(id, WAIT)).toMatchObject({
        status: 'succeeded',
        decisionRule: 'nothing-to-change',
        output: { written: 0 },
      });
    });
  }, 60_000);
});

describe('a proposal', () => {
  it('that nobody answers in time expires', async () => {
    await within({ settings: { approvalMs: 50 } }, async ({ engine }, { file, lines }) => {
      await engine.start();
      const { id } = await engine.service.start({
        automation: 'append-lines',
        input: { file, lines: ['a'] },
        trigger: 'mcp',
        actor: agent,
      });
      const run = await engine.service.wait(id, WAIT);
      await new Promise((resolve) => setTimeout(resolve, 100));
      await expect(engine.service.approve(id, { planHash: run.planHash ?? '', actor: operator })).rejects.toMatchObject(
        { code: 'PRECONDITION_FAILED' },
      );
      expect((await engine.service.get(id))?.status).toBe('expired');
      expect(await lines()).toEqual([]);
    });
  }, 60_000);
});

describe('a run', () => {
  it('that is canceled in the instant in which its plan is ready neither waits for an answer nor runs', async () => {
    let plannedBy: (id: string) => Promise<void> = async () => undefined;
    const slow = {
      ...appendLines,
      name: 'slow-lines',
      async plan(...given: Parameters<typeof appendLines.plan>) {
        // Nobody is told of it before the plan is there: the notification is late.
        await plannedBy(given[0].run.id);
        return await appendLines.plan(...given);
      },
    };
    await within(
      { automations: [slow], settings: { heartbeatMs: 60_000 } },
      async ({ engine, store }, { file, lines }) => {
        plannedBy = async (id) =>
          void (await sql`update runs set cancel = '{"by":"olga","reason":"too late"}' where id = ${id}`.execute(
            store.db,
          ));
        await engine.start();
        for (const [trigger, actor] of [
          ['mcp', agent],
          ['cli', operator],
        ] as const) {
          const { id } = await engine.service.start({
            automation: 'slow-lines',
            input: { file, lines: ['a'] },
            trigger,
            actor,
          });
          await expect.poll(async () => (await engine.service.get(id))?.status, { timeout: 15_000 }).toBe('canceled');
        }
        expect(await lines()).toEqual([]);
      },
    );
  }, 60_000);

  it('that was accepted before the engine ran is run once it does', async () => {
    await within({}, async ({ engine }, { file, lines }) => {
      const { id, status } = await engine.service.start({
        automation: 'append-lines',
        input: { file, lines: ['a'] },
        trigger: 'cli',
        actor: operator,
      });
      expect(status).toBe('queued');
      await engine.start();
      expect((await engine.service.wait(id, WAIT)).status).toBe('succeeded');
      expect(await lines()).toEqual(['begin a 1', 'end a 1']);
    });
  }, 60_000);

  it('does not overlap another heavy one of its kind, whatever they work on, and holds up no healing', async () => {
    const heavy = { ...appendLines, load: 'io' as const };
    const [other, heal] = [
      { ...heavy, name: 'append-more' },
      { ...heavy, name: 'append-to-heal' },
    ];
    const rules: PolicyRule[] = [{ id: 'test', decision: 'auto', why: 'A test.' }];
    await within({ automations: [heavy, other, heal], rules }, async ({ engine }, { file, lines }) => {
      await engine.start();
      const start = async (automation: string, trigger: 'cli' | 'mcp' | 'healing', line: string, pauseMs = 0) =>
        (await engine.service.start({ automation, input: { file, lines: [line], pauseMs }, trigger, actor: operator }))
          .id;
      const first = await start('append-lines', 'cli', 'a', 25_000);
      await expect.poll(lines, { timeout: 20_000 }).toEqual(['begin a 1']);
      const second = await start('append-more', 'mcp', 'b');
      await expect
        .poll(async () => (await engine.service.get(second))?.progress?.message, { timeout: 20_000 })
        .toContain(`waits for append-lines (${first})`);
      const healing = await start('append-to-heal', 'healing', 'h');
      expect((await engine.service.wait(healing, WAIT)).status).toBe('succeeded');
      expect((await engine.service.get(second))?.status).toBe('queued');

      await engine.service.cancel(first, { actor: operator, reason: 'enough' });
      expect((await engine.service.wait(second, WAIT)).status).toBe('succeeded');
      expect((await lines()).filter((line) => !line.startsWith('undo'))).toEqual([
        'begin a 1',
        'begin h 1',
        'end h 1',
        'begin b 1',
        'end b 1',
      ]);
    });
  }, 60_000);
});
