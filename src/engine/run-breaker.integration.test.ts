import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { defineAutomation } from '../core/automation.ts';
import { StewardError } from '../core/errors.ts';
import type { AnyOperation, Call } from '../core/operation.ts';
import type { Run } from '../core/run.ts';
import { testDatabase, type TestDatabase } from '../testing/database.ts';
import { engineOn, operator, resource } from '../testing/engine.ts';
import type { Engine } from './index.ts';
import { engineMigrations } from './tables.ts';

let database: TestDatabase;
let engine: Engine;
let audited: ReturnType<typeof engineOn>['audited'];
let clock = Date.parse('2026-11-20T12:00:00Z');
let broken = true;
let worked = 0;

const mend = defineAutomation({
  name: 'mend',
  version: 1,
  title: 'Mend',
  summary: 'Mends a thing, or fails to.',
  category: 'healing',
  priority: 'P3',
  ifMissed: 'Nothing.',
  effect: 'write',
  load: 'light',
  needs: [],
  input: z.object({ thing: z.string(), wrong: z.boolean().default(false), round: z.number() }),
  output: z.object({}),
  examples: [],
  safeguards: { timeout: '5s', retry: { attempts: 1, backoff: '1ms' } },
  target: ({ thing }, inventory) => inventory.resolve(thing),
  analyze: async () => ({}),
  validate: async (ctx) => [{ name: 'it is asked for rightly', ok: !ctx.input.wrong }],
  plan: async () => [{ id: 'mend', title: 'mend it', undo: 'automatic' as const }],
  async execute() {
    worked += 1;
    if (broken) throw new StewardError('UNAVAILABLE', 'it does not answer');
    return {};
  },
  verify: async () => [{ name: 'it is well', ok: true }],
  record: () => ({}),
  rollback: async () => undefined,
});

let round = 0;
const ask = (thing: string, more: { dryRun?: boolean; wrong?: boolean } = {}): Promise<Run> =>
  engine.service.start({
    automation: 'mend',
    // Each is another request: what is asked for again and again unchanged is the matter of the loop breaker.
    input: { thing, wrong: more.wrong ?? false, round: (round += 1) },
    trigger: 'cli',
    actor: operator,
    dryRun: more.dryRun,
  });
const run = async (thing: string, more: { wrong?: boolean } = {}): Promise<Run['status']> => {
  const { id } = await ask(thing, more);
  return (await engine.service.wait(id, { timeoutMs: 20_000 })).status;
};
const operation = (name: string): AnyOperation => engine.operations.find((one) => one.name === name) as AnyOperation;
const call: Call = { actor: operator, now: new Date(), from: 'local', requestId: 'r' };

beforeAll(async () => {
  database = await testDatabase({ migrations: engineMigrations });
  const fixture = engineOn(database.store, {
    automations: [mend],
    resources: [resource('web'), resource('db'), resource('mail')],
    // The breaker's clock, and everybody's.
    now: () => new Date((clock += 1)),
  });
  ({ engine, audited } = fixture);
  await engine.start();
}, 60_000);
afterAll(async () => {
  await engine?.stop();
  await database?.drop();
});

describe('an automation that failed on its target five times in a row', () => {
  it('is refused there until a minute is over, then tried by one run, and let through once that went well', async () => {
    for (let at = 0; at < 5; at++) expect(await run('web')).toBe('rolled-back');
    expect(worked).toBe(5);
    const refused = ask('web');
    await expect(refused).rejects.toMatchObject({ code: 'BREAKER_OPEN' });
    await expect(refused).rejects.toThrow(/^Circuit breaker is OPEN: run:mend:res_web failed 5 times in a row/);
    expect(audited.at(-1)).toMatchObject({
      action: 'run.requested',
      outcome: 'refused',
      detail: { code: 'BREAKER_OPEN' },
    });

    // Another target is another matter, and looking is not refused.
    broken = false;
    expect(await run('db')).toBe('succeeded');
    const { id } = await ask('web', { dryRun: true });
    expect((await engine.service.wait(id, { timeoutMs: 20_000 })).status).toBe('succeeded');

    clock += 60_000;
    const all = await Promise.allSettled([ask('web'), ask('web'), ask('web')]);
    const [probe, ...others] = all.filter(({ status }) => status === 'fulfilled');
    expect(others).toEqual([]);
    const probing = (probe as PromiseFulfilledResult<Run>).value;
    expect((await engine.service.wait(probing.id, { timeoutMs: 20_000 })).status).toBe('succeeded');
    expect(await run('web')).toBe('succeeded');

    const told = await database.store.events.read({ types: ['breaker.opened', 'breaker.closed'] });
    expect(told.map(({ type, subject }) => `${type} ${subject?.id}`)).toEqual([
      'breaker.opened run:mend:res_web',
      'breaker.closed run:mend:res_web',
    ]);
  }, 60_000);

  it('is let through by a person who resets its breaker', async () => {
    broken = true;
    for (let at = 0; at < 5; at++) await run('mail');
    const name = 'run:mend:res_mail';
    const open = await operation('breakers').handle({}, call);
    expect(open.items).toMatchObject([{ name, state: 'open', failures: 5, lastError: 'it does not answer' }, {}]);
    expect(await operation('reset-breaker').handle({ name }, call)).toMatchObject({ state: 'closed' });
    broken = false;
    expect(await run('mail')).toBe('succeeded');
  }, 60_000);

  it('is not told from requests that were wrong', async () => {
    for (let at = 0; at < 6; at++) expect(await run('db', { wrong: true })).toBe('failed');
    expect(await run('db')).toBe('succeeded');
  }, 60_000);
});
