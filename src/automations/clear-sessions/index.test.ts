import { describe, expect, it } from 'vitest';
import { decide, DEFAULT_POLICY } from '../../core/policy.ts';
import { systemActor } from '../../core/actor.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import clearSessions from './index.ts';

const START = Date.parse('2026-11-30T02:00:00Z');
const hours = (ago: number): Date => new Date(START - ago * 3_600_000);

function machine() {
  const now = () => new Date(START);
  const ports = fakePorts({ now });
  for (const name of ['crm', 'shop']) ports.backups.addSource({ kind: 'postgres', name });
  const run = (input: { source?: string; table?: string } = {}, more: object = {}) =>
    performInMemory(clearSessions, { ports, now, input, ...more });
  return { ...ports, run };
}

describe('clear-sessions', () => {
  it('does nothing where the configuration names no table, and says how one is named', async () => {
    const run = await machine().run();
    expect(run).toMatchObject({ status: 'succeeded', plan: [], output: { tables: [], removed: 0, unreached: [] } });
    expect(run.checks).toEqual([
      expect.objectContaining({
        name: 'The configuration names no table',
        evidence: expect.objectContaining({ hint: expect.stringContaining('databases.sessions') }),
      }),
    ]);
  });

  it('removes what had expired and no more, and tells it in numbers', async () => {
    const { expiry, run } = machine();
    expiry.addTable({ source: 'crm', table: 'sessions' }, [hours(30), hours(2), hours(-1)]);
    expiry.addTable({ source: 'shop', table: 'tokens', afterMs: 24 * 3_600_000 }, [hours(30), hours(2)]);
    const done = await run();
    expect(done.plan).toMatchObject([
      {
        title: 'Remove 2 expired rows from sessions in main (crm)',
        reason: 'The first of them expired at 2026-11-28T20:00:00.000Z. 1 other stays.',
      },
      {
        title: 'Remove 1 expired row from tokens in main (shop)',
      },
    ]);
    expect(done).toMatchObject({
      status: 'succeeded',
      output: {
        removed: 3,
        unreached: [],
        tables: [
          { source: 'crm', table: 'sessions', expired: 2, removed: 2, left: 0, others: 1 },
          {
            source: 'shop',
            table: 'tokens',
            before: '2026-11-29T02:00:00.000Z',
            expired: 1,
            removed: 1,
            left: 0,
            others: 1,
          },
        ],
      },
    });
    expect(expiry.rows('sessions')).toEqual([hours(-1)]);
    expect(expiry.rows('tokens')).toEqual([hours(2)]);
    expect(done.progress).toContainEqual(expect.objectContaining({ done: 2, total: 2 }));
    expect(await run()).toMatchObject({ status: 'succeeded', plan: [] });
  });

  it('takes the tables that are meant, and says which there are', async () => {
    const { expiry, run } = machine();
    expiry.addTable({ source: 'crm', table: 'sessions' }, [hours(2)]);
    expiry.addTable({ source: 'shop', table: 'tokens' }, [hours(2)]);
    expect(await run({ source: 'shop' })).toMatchObject({ output: { removed: 1 } });
    expect(expiry.rows('sessions')).toHaveLength(1);
    expect(await run({ table: 'token' })).toMatchObject({
      status: 'failed',
      error: { code: 'NOT_FOUND', hint: expect.stringContaining('tokens of shop') },
    });
  });

  it('goes on with the others where one cannot be reached, and fails at its end', async () => {
    const { expiry, run } = machine();
    expiry.addTable({ source: 'crm', table: 'sessions' }, [hours(2)]);
    expiry.addTable({ source: 'shop', table: 'tokens' }, [hours(2)]);
    expiry.addTable({ source: 'shop', table: 'codes' }, [hours(2)]);
    expiry.fail('sessions', 'UNAVAILABLE');
    expiry.fail('codes', 'FORBIDDEN', 'clear');
    const done = await run();
    expect(done).toMatchObject({ status: 'failed', error: { code: 'VERIFICATION_FAILED' } });
    expect(done.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual([
      'Expired rows of sessions (crm) can be removed',
      'Expired rows are removed from codes in main (shop)',
    ]);
    expect(expiry.rows('tokens')).toEqual([]);
  });

  it('leaves a database alone while it is copied, also where the copy began after the plan', async () => {
    const { expiry, copies, run } = machine();
    expiry.addTable({ source: 'crm', table: 'sessions' }, [hours(2)]);
    const begin = () =>
      copies.put({
        id: 'cp_1',
        source: 'crm',
        repository: 'local',
        status: 'writing',
        startedAt: hours(0),
        sequence: 1,
      });
    expect(await run({}, { beforeApply: begin })).toMatchObject({ status: 'stale' });
    expect(await run()).toMatchObject({
      status: 'succeeded',
      output: { removed: 0, unreached: [{ source: 'crm', table: 'sessions', why: 'it is being backed up' }] },
    });
    expect(expiry.rows('sessions')).toHaveLength(1);
  });

  it('tells what others hold, and is no failure for that', async () => {
    const { expiry, run } = machine();
    expiry.addTable({ source: 'crm', table: 'sessions' }, [hours(3), hours(2)]);
    expiry.hold('sessions', 1);
    expect(await run()).toMatchObject({
      status: 'succeeded',
      output: { removed: 1, tables: [{ left: 1, why: expect.stringContaining('hold') }] },
    });
  });

  it.each([
    ['nothing', 'No row that had expired is left'],
    ['too-much', 'No row that had not expired was removed'],
  ] as const)('fails where a database removed %s', async (how, check) => {
    const { expiry, run } = machine();
    expiry.addTable({ source: 'crm', table: 'sessions' }, [hours(2), hours(-1)]);
    expiry.pretend('sessions', how);
    const done = await run();
    expect(done).toMatchObject({ status: 'failed', error: { code: 'VERIFICATION_FAILED' } });
    expect(done.checks.filter(({ ok }) => !ok).map(({ name }) => name)).toEqual([expect.stringContaining(check)]);
  });

  it('says what goes with the rows where that is allowed, and asks again where that changed', async () => {
    const { expiry, run } = machine();
    expiry.addTable({ source: 'crm', table: 'sessions', cascade: true }, [hours(2)]);
    expiry.whatGoesWith('sessions', 'rows of carts go with them');
    const planned = await run({}, { dryRun: true });
    expect(planned.plan[0]?.detail).toContain('rows of carts go with them');
    const change = () => expiry.whatGoesWith('sessions', 'rows of orders go with them');
    expect(await run({}, { beforeApply: change })).toMatchObject({ status: 'stale' });
  });

  it('asks nobody by its schedule, and a person where a person or an assistant wants it', () => {
    const ask = (trigger: 'schedule' | 'cli' | 'mcp', role: 'admin' | 'agent' = 'admin') =>
      decide(DEFAULT_POLICY, {
        automation: 'clear-sessions',
        effect: 'destructive',
        trigger,
        actor: { ...systemActor('steward'), role },
        reversible: false,
      }).decision;
    expect([ask('schedule'), ask('cli'), ask('mcp', 'agent'), ask('schedule', 'agent')]).toEqual([
      'auto',
      'propose',
      'propose',
      'propose',
    ]);
  });
});
