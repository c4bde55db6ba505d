import { describe, expect, it } from 'vitest';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { Listener } from '../../core/ports/sockets.ts';
import { observe } from './observe.ts';

const redis: ProcessInfo = {
  pid: 4_711,
  startTicks: 1,
  bootId: 'boot',
  parent: 1,
  uid: 0,
  user: 'root',
  executable: '/usr/bin/redis-server',
  argv: ['redis-server'],
  cwd: '/',
  state: 'S',
  residentBytes: 0,
  cpuSeconds: 0,
  startedAt: new Date('2026-01-01T00:00:00Z'),
  unit: undefined,
  container: undefined,
};
const listener: Listener = { protocol: 'tcp', address: '0.0.0.0', port: 6_379, pids: [redis.pid], uid: 0 };

function seen(listeners: readonly Listener[]) {
  return observe({ listeners, processes: [redis], containers: [], units: [], self: new Set() });
}

describe('what listens', () => {
  it('is reached where it is bound', () => {
    expect(seen([listener])).toMatchObject([{ endpoints: [{ port: 6_379 }], reachable: [{ port: 6_379 }] }]);
  });

  it('has no address here when it listens in a network of its own, under an engine nobody knows', () => {
    const [observation] = seen([{ ...listener, container: 'netns:4026532001' }]);

    expect(observation).toMatchObject({ endpoints: [], reachable: [], pids: [redis.pid] });
  });

  it('is nothing of ours when Steward itself listens', () => {
    const own = observe({
      listeners: [listener],
      processes: [redis],
      containers: [],
      units: [],
      self: new Set([redis.pid]),
    });

    expect(own).toEqual([]);
  });
});
