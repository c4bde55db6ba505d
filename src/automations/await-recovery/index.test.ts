import { describe, expect, it } from 'vitest';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import awaitRecovery from './index.ts';

const target = { kind: 'tcp' as const, host: '127.0.0.1', port: 5432 };

function machine() {
  const ports = fakePorts();
  ports.inventory.put(
    aResource({ id: 'svc_db', name: 'db', endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port: 5432 }] }),
  );
  const wait = (seconds: number) =>
    performInMemory(awaitRecovery, { ports, input: { service: 'db', problem: 'database.locked', seconds } });
  return { ...ports, wait };
}

describe('await-recovery', () => {
  it('ends as soon as the trouble has passed, whatever else there is', async () => {
    const { prober, wait } = machine();
    prober.answer(target, { state: 'degraded', problem: 'pool.exhausted' });
    expect(await wait(60)).toMatchObject({ status: 'succeeded', output: { passed: true } });
  });

  it('fails where the last look still finds it, with what that saw', async () => {
    const { prober, wait } = machine();
    prober.answer(target, { state: 'degraded', problem: 'database.locked', message: '3 sessions wait' });
    const run = await wait(0);
    expect(run.status).toBe('failed');
    expect(run.checks).toMatchObject([{ ok: false, evidence: { message: '3 sessions wait' } }]);
  });
});
