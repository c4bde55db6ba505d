import { describe, expect, it } from 'vitest';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import recycleConnections from './index.ts';

function machine() {
  const ports = fakePorts();
  ports.inventory.put(aResource({ id: 'svc_db', name: 'db' }));
  ports.checks.configure('svc_db', [
    { kind: 'postgres', host: '127.0.0.1', port: 5432, user: 'steward', password: { env: 'PW' } },
  ]);
  const recycle = (input: { user?: string; atMost?: number } = {}, beforeApply?: () => void) =>
    performInMemory(recycleConnections, {
      ports,
      input: { service: 'db', ...input },
      secret: async () => 'hunter2',
      ...(beforeApply && { beforeApply }),
    });
  return { ...ports, recycle };
}

describe('recycle-connections', () => {
  it('closes what idles for long, of the user with the most, the longest first', async () => {
    const { databases, recycle } = machine();
    const leaked = [1_000, 3_000, 2_000].map((stateSeconds) => databases.join({ stateSeconds }));
    databases.join({ stateSeconds: 10 });
    databases.join({ state: 'idle-in-transaction', stateSeconds: 9_000 });
    databases.join({ stateSeconds: 9_000, sacred: true });
    databases.join({ user: 'person', stateSeconds: 9_000 });
    databases.limit(7);
    const run = await recycle({ atMost: 2 });
    expect(run).toMatchObject({
      status: 'succeeded',
      output: { user: 'app', closed: 2, usedBefore: 7, usedAfter: 5, limit: 7 },
    });
    expect(databases.ended).toEqual([leaked[1]?.identity, leaked[2]?.identity]);
  });

  it('leaves alone whoever works again by the time it is its turn', async () => {
    const { databases, recycle } = machine();
    const [one, two] = [databases.join({ stateSeconds: 900 }), databases.join({ stateSeconds: 800 })];
    const run = await recycle({}, () => void databases.join({ ...one, state: 'active', stateSeconds: 0 }));
    expect(run).toMatchObject({ status: 'succeeded', output: { closed: 1 } });
    expect(databases.ended).toEqual([two.identity]);
  });

  it('fails where there is still no connection left', async () => {
    const { databases, recycle } = machine();
    databases.join({ stateSeconds: 900 });
    for (let taken = 0; taken < 5; taken += 1) databases.join({ state: 'active' });
    databases.limit(5);
    expect(await recycle()).toMatchObject({ status: 'failed', error: { code: 'VERIFICATION_FAILED' } });
  });
});
