import { describe, expect, it } from 'vitest';
import type { Resource } from '../../core/resource.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import relieveMemory from './index.ts';

const MB = 1024 ** 2;
const unit = (name: string, part: Partial<Resource> = {}): Resource =>
  aResource({
    id: `svc_${name}`,
    name,
    node: 'here',
    supervisor: { kind: 'systemd', unit: `${name}.service`, scope: 'system' },
    ...part,
  });
const group = (name: string, cacheBytes: number) => ({
  path: `/system.slice/${name}.service`,
  unit: `${name}.service`,
  unitScope: 'system' as const,
  cacheBytes,
});

function machine() {
  const ports = fakePorts();
  ports.inventory.put(
    aResource({ id: 'machine', kind: 'node', name: 'host', node: 'here', supervisor: { kind: 'none' } }),
  );
  for (const name of ['shop', 'cache']) ports.inventory.put(unit(name));
  ports.checks.configure('svc_cache', [{ kind: 'redis', host: '127.0.0.1', port: 6379, password: { env: 'PW' } }]);
  ports.memory.addRedis(6379, { usedBytes: 10 * MB, residentBytes: 300 * MB, spareBytes: 280 * MB });
  ports.memory.addGroup(group('shop', 100 * MB));
  const relieve = (service = 'host', options: { dryRun?: boolean } = {}) =>
    performInMemory(relieveMemory, { ports, input: { service }, secret: async () => 'hunter2', ...options });
  return { ...ports, relieve };
}

describe('relieve-memory', () => {
  it('asks Redis and the kernel, the most first, and says what came back and what the machine has now', async () => {
    const { relieve, memory, host } = machine();
    const { memoryAvailableBytes } = await host.sample();
    expect(await relieve()).toMatchObject({
      status: 'succeeded',
      output: {
        asked: [{ bytes: 280 * MB }, { bytes: 100 * MB }],
        bytes: 380 * MB,
        availableBefore: memoryAvailableBytes,
        availableAfter: memoryAvailableBytes + 380 * MB,
      },
    });
    expect(memory.purged).toEqual([{ host: '127.0.0.1', port: 6379, password: 'hunter2' }]);
    expect(memory.reclaimed).toEqual([{ path: '/system.slice/shop.service', bytes: 100 * MB }]);
  });

  it('asks one service alone, never more than a gigabyte, and nobody who holds little or was not adopted', async () => {
    const { relieve, memory, inventory } = machine();
    memory.addGroup(group('shop', 5_000 * MB));
    expect((await relieve('shop')).output?.asked).toHaveLength(1);
    expect(memory.reclaimed).toEqual([{ path: '/system.slice/shop.service', bytes: 1024 * MB }]);
    memory.addGroup(group('shop', MB));
    inventory.put(unit('cache', { adoption: 'pending' }));
    expect(await relieve()).toMatchObject({ status: 'succeeded', plan: [] });
  });

  it('says in the plan why there is nothing to ask', async () => {
    const ports = fakePorts();
    ports.inventory.put(unit('shop'));
    ports.memory.missing('This machine has control groups of version 1.');
    const run = await performInMemory(relieveMemory, { ports, input: { service: 'shop' }, dryRun: true });
    expect(run).toMatchObject({
      plan: [],
      facts: { warning: expect.stringMatching(/^Nothing here can give memory back .* version 1\.$/) },
    });
  });

  it('goes on without a Redis that does not answer, and says so', async () => {
    const { relieve, checks } = machine();
    checks.configure('svc_cache', [{ kind: 'redis', host: '127.0.0.1', port: 6400 }]);
    expect(await relieve()).toMatchObject({
      status: 'succeeded',
      output: { bytes: 100 * MB, blind: [expect.stringContaining('6400')] },
    });
  });

  it('fails where everybody says yes and nothing comes back', async () => {
    const { relieve, memory } = machine();
    memory.stubborn();
    expect(await relieve()).toMatchObject({ status: 'failed', error: { code: 'VERIFICATION_FAILED' } });
  });
});
