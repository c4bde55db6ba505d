import { describe, expect, it } from 'vitest';
import { CheckTarget, type ProbeResult } from '../../core/check.ts';
import { fakeDocker } from '../../testing/fakes/fake-docker.ts';
import { fakeProcesses } from '../../testing/fakes/fake-processes.ts';
import { fakeSystemd } from '../../testing/fakes/fake-systemd.ts';
import { createGauges } from '../host/gauges.ts';
import { createProber } from './index.ts';

const processes = fakeProcesses();
const systemd = fakeSystemd();
const docker = fakeDocker();
const prober = createProber({ secrets: async () => '', processes, systemd, docker });
const look = (target: object): Promise<ProbeResult> =>
  prober.probe(CheckTarget.parse(target), { timeoutMs: 1_000, slowMs: 1_000, signal: new AbortController().signal });
const unit = (name: string) => look({ kind: 'systemd', unit: name });
const container = (name: string) => look({ kind: 'container', container: name });

describe('systemd', () => {
  it('is up while active, stopped when somebody stopped it, down when it failed', async () => {
    systemd.add('a.service');
    expect(await unit('a.service')).toMatchObject({ state: 'up' });

    systemd.stop('a.service');
    expect(await unit('a.service')).toMatchObject({ state: 'stopped' });

    systemd.add('b.service');
    systemd.crash('b.service', { result: 'exit-code', status: 3 });
    expect(await unit('b.service')).toMatchObject({ state: 'down', detail: { exitCode: 3, result: 'exit-code' } });
  });

  it('is degraded while it starts, and down between two automatic restarts', async () => {
    systemd.add('c.service', { activeState: 'activating', subState: 'start' });
    systemd.add('d.service', { activeState: 'activating', subState: 'auto-restart', result: 'exit-code' });

    expect(await unit('c.service')).toMatchObject({ state: 'degraded' });
    expect(await unit('d.service')).toMatchObject({ state: 'down' });
  });

  it('is down when its main process is frozen', async () => {
    const main = processes.start(['app']);
    systemd.add('e.service', { mainPid: main.pid });
    processes.freeze(main.pid);

    expect((await unit('e.service')).message).toContain('is stopped by a signal');
  });

  it('says when there is no such unit', async () => {
    expect(await unit('none.service')).toMatchObject({ state: 'down', detail: { missing: true } });
  });
});

describe('containers', () => {
  it('tells a decision from a death', async () => {
    docker.run('kept');
    docker.run('killed');
    docker.run('full');
    docker.stop('kept');
    docker.crash('killed', 137);
    docker.crash('full', 137, { oomKilled: true });

    expect(await container('kept')).toMatchObject({ state: 'stopped' });
    expect(await container('killed')).toMatchObject({ state: 'down', detail: { exitCode: 137 } });
    expect(await container('full')).toMatchObject({
      state: 'down',
      message: 'full ran out of memory and was killed (exit code 137)',
    });
  });

  it('is down when its main process is frozen', async () => {
    const main = processes.start(['app']);
    docker.run('frozen', { pid: main.pid });
    processes.freeze(main.pid);

    expect(await container('frozen')).toMatchObject({ state: 'down' });
  });

  it('is degraded where two looks find it above the share of its memory limit, whatever of it is cached files, and is not judged without a limit', async () => {
    const main = processes.start(['app']);
    docker.run('grown', { pid: main.pid });
    const group: Record<string, string> = {
      [`/proc/${main.pid}/cgroup`]: '0::/system.slice/docker-1.scope\n',
      '/sys/fs/cgroup/system.slice/docker-1.scope/memory.max': '1048576\n',
      '/sys/fs/cgroup/system.slice/docker-1.scope/memory.current': '996147\n',
      '/sys/fs/cgroup/system.slice/docker-1.scope/memory.stat': 'anon 1\ninactive_file 0\n',
    };
    const gauges = createGauges((path) => group[path]);
    const watching = createProber({ secrets: async () => '', processes, docker, gauges });
    const grown = (more: object = {}): Promise<ProbeResult> =>
      watching.probe(CheckTarget.parse({ kind: 'container', container: 'grown', ...more }), {
        timeoutMs: 1_000,
        slowMs: 1_000,
        signal: new AbortController().signal,
      });

    expect(await grown(), 'one look may be the moment before a collection of garbage').toMatchObject({ state: 'up' });
    expect(await grown()).toMatchObject({
      state: 'degraded',
      problem: 'memory.high',
      message: 'grown holds 95 % of the 1 MB of memory that it may have',
    });
    expect(await grown({ memory: 96 })).toMatchObject({ state: 'up' });
    group['/sys/fs/cgroup/system.slice/docker-1.scope/memory.stat'] = 'inactive_file 500000\n';
    expect(await grown()).toMatchObject({ state: 'up' });
    group['/sys/fs/cgroup/system.slice/docker-1.scope/memory.stat'] = 'inactive_file 0\n';
    group['/sys/fs/cgroup/system.slice/docker-1.scope/memory.max'] = 'max\n';
    expect(await grown()).toMatchObject({ state: 'up' });
  });
});
