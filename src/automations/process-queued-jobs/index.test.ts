import { expect, it } from 'vitest';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import processQueuedJobs from './index.ts';

const now = (): Date => new Date('2026-03-31T12:00:00Z');

it('begins what has waited, and nothing that has only just been asked for', async () => {
  const ports = fakePorts({ now });
  ports.queue.put({ kind: 'run', id: 'run_1', what: 'clear-caches', since: '2026-03-31T11:30:00Z' });
  ports.queue.put({ kind: 'execution', id: 'exe_1', what: 'health_check', since: '2026-03-31T11:59:59Z' });
  const run = await performInMemory(processQueuedJobs, { ports, now, input: {} });
  expect(run).toMatchObject({ status: 'succeeded', output: { begun: 1, behind: [] } });
});

it('changes nothing where nothing waits, and says which readers of events are behind', async () => {
  const ports = fakePorts({ now });
  ports.queue.fallBehind({ consumer: 'incidents', behind: 7, deadLetters: 1 });
  const run = await performInMemory(processQueuedJobs, { ports, now, input: {} });
  expect(run).toMatchObject({
    status: 'succeeded',
    plan: [],
    output: { begun: 0, behind: ['incidents: 7 behind, 1 given up'] },
  });
});

it('fails where what waited cannot be begun', async () => {
  const ports = fakePorts({ now });
  ports.queue.put({ kind: 'run', id: 'run_1', what: 'clear-caches', since: '2026-03-31T11:30:00Z' });
  ports.queue.stick();
  const run = await performInMemory(processQueuedJobs, { ports, now, input: {} });
  expect(run.status).not.toBe('succeeded');
});
