import { describe, expect, it } from 'vitest';
import type { Resource } from '../../core/resource.ts';
import { aResource } from '../../testing/fakes/fake-inventory.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import resumeProcess from './index.ts';

function machine(part: Partial<Resource> = {}) {
  const ports = fakePorts();
  ports.inventory.put(
    aResource({
      id: 'svc_web',
      name: 'web',
      supervisor: { kind: 'systemd', unit: 'web.service', scope: 'system' },
      ...part,
    }),
  );
  const resume = (options: { dryRun?: boolean; beforeApply?: () => void } = {}) =>
    performInMemory(resumeProcess, { ports, input: { service: 'web' }, ...options });
  return { ...ports, resume };
}

describe('resume-process', () => {
  it('wakes the stopped processes of the unit, and nobody else', async () => {
    const { processes, resume } = machine();
    const main = processes.start(['/usr/bin/web'], { unit: 'web.service', unitScope: 'system' });
    const worker = processes.start(['/usr/bin/web'], { unit: 'web.service', unitScope: 'system' });
    const stranger = processes.start(['/usr/bin/web'], { unit: 'other.service', unitScope: 'system' });
    for (const { pid } of [worker, stranger]) processes.freeze(pid);
    const run = await resume();
    expect(run).toMatchObject({
      status: 'succeeded',
      output: { service: 'web', resumed: [{ pid: worker.pid, program: '/usr/bin/web' }] },
    });
    expect(processes.signals).toEqual([{ pid: worker.pid, signal: 'SIGCONT' }]);
    expect((await processes.get(stranger.pid))?.state).toBe('T');
    expect((await processes.get(main.pid))?.state).toBe('S');
  });

  it('wakes what runs in its container, and the bare process that it is', async () => {
    const boxed = machine({ supervisor: { kind: 'docker', container: 'c1', name: 'web' } });
    const inside = boxed.processes.start(['/web'], { container: 'c1' });
    boxed.processes.freeze(inside.pid);
    expect((await boxed.resume()).output?.resumed).toMatchObject([{ pid: inside.pid }]);

    const bare = machine({ supervisor: { kind: 'none' }, pids: [77] });
    bare.processes.start(['/web'], { pid: 77 });
    bare.processes.freeze(77);
    expect((await bare.resume()).output?.resumed).toMatchObject([{ pid: 77 }]);
  });

  it('leaves one alone that a debugger holds, and says that there is nothing to do', async () => {
    const { processes, resume } = machine();
    const traced = processes.start(['/usr/bin/web'], { unit: 'web.service' });
    processes.change(traced.pid, { state: 't' });
    expect(await resume()).toMatchObject({ status: 'succeeded', plan: [], output: { resumed: [] } });
    expect(processes.signals).toEqual([]);
  });

  it('asks again where another process has the number by now', async () => {
    const { processes, resume } = machine();
    const frozen = processes.start(['/usr/bin/web'], { unit: 'web.service' });
    processes.freeze(frozen.pid);
    const run = await resume({
      beforeApply() {
        processes.end(frozen.pid);
        processes.start(['/usr/bin/other'], { pid: frozen.pid, state: 'T' });
      },
    });
    expect(run.status).toBe('stale');
    expect(processes.signals).toEqual([]);
  });

  it('fails where it is stopped again at once', async () => {
    const { processes, inventory, recipes, resume: _ } = machine();
    const frozen = processes.start(['/usr/bin/web'], { unit: 'web.service' });
    processes.freeze(frozen.pid);
    const deaf = { ...processes, signal: async () => true };
    const run = await performInMemory(resumeProcess, {
      ports: { inventory, recipes, processes: deaf },
      input: { service: 'web' },
    });
    expect(run).toMatchObject({ status: 'failed', error: { code: 'VERIFICATION_FAILED' } });
  });

  it.each([
    [{ adoption: 'pending' as const }, 'may be acted on'],
    [{ supervisor: { kind: 'systemd' as const, unit: 'gone.service', scope: 'system' as const } }, 'are known'],
  ])('refuses %o', async (part, reason) => {
    const { processes, resume } = machine(part);
    processes.start(['/usr/bin/web'], { unit: 'web.service' });
    expect(await resume()).toMatchObject({
      status: 'failed',
      error: { phase: 'validate', message: expect.stringContaining(reason) },
    });
  });
});
