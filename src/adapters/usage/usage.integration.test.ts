import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Usage, UsedBy } from '../../core/ports/usage.ts';
import { defined } from '../../testing/defined.ts';
import { busyboxImage } from '../../testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../../testing/world/dockerd.ts';
import { type RunningProgram, startProgram } from '../../testing/world/start-program.ts';
import { createUsage } from './index.ts';

const MB = 1024 ** 2;
const until = async (what: string, look: () => Promise<boolean>): Promise<void> => {
  for (const end = Date.now() + 20_000; !(await look()); await sleep(100))
    if (Date.now() > end) throw new Error(`not within 20 s: ${what}`);
};

describe('processes', () => {
  let busy: RunningProgram;
  afterAll(() => busy?.stop());
  const service = (pids: readonly number[], lastSeen = new Date()): UsedBy => ({
    id: 'svc_1',
    pids: [...pids],
    supervisor: { kind: 'none' },
    lastSeen,
  });

  it('are measured with what they began, and not what took the number of one that ended', async () => {
    // A shell that waits for its child, which holds memory and works.
    const holding =
      "const kept = Buffer.alloc(64 * 1024 * 1024, 1); setInterval(() => { for (let i = 0; i < 3e6; i += 1) kept[i] = i; }, 5); console.log('ready')";
    busy = await startProgram({
      program: 'sh',
      args: ['-c', `"$0" -e "$1"; true`, process.execPath, holding],
      ready: { output: /ready/ },
    });
    const usage = createUsage({ now: () => new Date() });
    const seen = async (of: UsedBy): Promise<Usage | undefined> => (await usage.of([of])).get(of.id);
    const first = defined(await seen(service([busy.pid])));
    expect(first.memoryBytes).toBeGreaterThan(64 * MB);
    expect(first.memoryBytes).toBeLessThan(400 * MB);
    expect(first.restarts).toBe(0);
    await until('it works', async () => defined(await seen(service([busy.pid]))).cpuSeconds >= first.cpuSeconds + 0.1);

    const before = new Date(Date.now() - 3_600_000);
    expect(await createUsage({ now: () => new Date() }).of([service([busy.pid], before)])).toEqual(new Map());
  });
});

const missing = dockerMissing();
describe.skipIf(missing !== undefined)(`containers${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let engine: Dockerd;
  beforeAll(async () => {
    engine = await startDockerd();
    await busyboxImage(engine);
  }, 120_000);
  afterAll(() => engine?.stop());

  it('are measured by the files of their control groups, and a restart is told before discovery looks again', async () => {
    const script = 'while :; do i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; sleep 0.05; done';
    const id = await engine.docker('run', '--detach', '--stop-timeout=0', 'busybox', 'sh', '-c', script);
    const pid = Number(await engine.docker('inspect', '--format={{.State.Pid}}', id));
    const service: UsedBy = {
      id: 'svc_1',
      pids: [pid],
      supervisor: { kind: 'docker', container: id, name: 'busy' },
      lastSeen: new Date(),
    };
    const usage = createUsage({ now: () => new Date() });
    const seen = async (): Promise<Usage | undefined> => (await usage.of([service])).get('svc_1');

    const first = defined(await seen());
    expect(first).toMatchObject({ restarts: 0 });
    expect(first.memoryBytes).toBeGreaterThan(0);
    expect(first.memoryBytes).toBeLessThan(100 * MB);
    await until('it works', async () => defined(await seen()).cpuSeconds > first.cpuSeconds + 0.1);

    await engine.docker('restart', '--time=0', id);
    // Still asked by the process id of before.
    await until('it was started again', async () => (await seen())?.restarts === 1);
    expect((await seen())?.restarts).toBe(1);

    await engine.docker('stop', '--time=0', id);
    await until('it stopped', async () => (await seen()) === undefined);
  }, 120_000);
});
