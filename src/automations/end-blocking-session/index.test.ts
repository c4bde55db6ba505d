import { describe, expect, it } from 'vitest';
import type { DatabaseSession } from '../../core/ports/databases.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import endBlockingSession from './index.ts';

const idle = (more: Partial<DatabaseSession> = {}): Partial<DatabaseSession> => ({
  state: 'idle-in-transaction',
  stateSeconds: 600,
  transactionSeconds: 700,
  ...more,
});

function machine({ credentials = true } = {}) {
  const ports = fakePorts();
  ports.inventory.put(aResource({ id: 'svc_db', name: 'db' }));
  if (credentials)
    ports.checks.configure('svc_db', [
      { kind: 'postgres', host: '127.0.0.1', port: 5432, user: 'steward', password: { env: 'PW' } },
    ]);
  const end = (input: { evenIfActive?: boolean } = {}, beforeApply?: () => void) =>
    performInMemory(endBlockingSession, {
      ports,
      input: { service: 'db', ...input },
      secret: async () => 'hunter2',
      ...(beforeApply && { beforeApply }),
    });
  return { ...ports, end };
}

describe('end-blocking-session', () => {
  it('ends the one at the root of a chain, and nobody between', async () => {
    const { databases, end } = machine();
    const root = databases.join(idle());
    const middle = databases.join(idle({ waitsFor: [root.id] }));
    databases.join({ state: 'active', waitsFor: [middle.id] });
    const run = await end();
    expect(run).toMatchObject({ status: 'succeeded', output: { ended: { id: root.id }, waitedForIt: 2 } });
    expect(databases.ended).toEqual([root.identity]);
    expect(JSON.stringify(run)).not.toContain('hunter2');
  });

  it.each([
    ['is at work', { state: 'active' as const }, 'Nobody works in session'],
    ['began to idle a moment ago', { stateSeconds: 5 }, 'Nobody works in session'],
    ['is a backup', { sacred: true }, 'not in the middle of a backup'],
  ])('refuses one that %s', async (_what, more, reason) => {
    const { databases, end } = machine();
    const root = databases.join(idle(more));
    databases.join({ state: 'active', waitsFor: [root.id] });
    expect(await end()).toMatchObject({
      status: 'failed',
      error: { phase: 'validate', message: expect.stringContaining(reason) },
    });
    expect(databases.ended).toEqual([]);
  });

  it('ends one at work where that is said, and asks again where another one blocks by then', async () => {
    const { databases, end } = machine();
    const root = databases.join({ state: 'active' });
    databases.join({ state: 'active', waitsFor: [root.id] });
    expect(
      await end({ evenIfActive: true }, () => {
        databases.leave(root.identity);
        const other = databases.join({ state: 'active' });
        databases.join({ state: 'active', waitsFor: [other.id] });
      }),
    ).toMatchObject({ status: 'stale' });
    expect(databases.ended).toEqual([]);
    expect(await end({ evenIfActive: true })).toMatchObject({ status: 'succeeded' });
  });

  it('says where the password belongs', async () => {
    expect(await machine({ credentials: false }).end()).toMatchObject({
      status: 'failed',
      error: { code: 'PRECONDITION_FAILED', hint: expect.stringContaining('a user and a password') },
    });
  });

  it('fails where the session does not go', async () => {
    const { databases, end } = machine();
    const root = databases.join(idle());
    databases.join({ state: 'active', waitsFor: [root.id] });
    databases.stubborn(root.identity);
    expect(await end()).toMatchObject({ status: 'failed', error: { code: 'VERIFICATION_FAILED' } });
  });
});
