import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxImage } from '../../testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../../testing/world/dockerd.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { dockerContract } from './docker.contract.ts';
import { createDocker, type DockerAdapter } from './index.ts';

const missing = dockerMissing();

// Ends with 0 when the file appears, ignores SIGTERM as PID 1 does, and shows what is appended to /out.
const WAITING = 'touch /out; tail -f /out & while [ ! -e /finish ]; do sleep 0.05; done';

describe.skipIf(missing !== undefined)(`docker${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let engine: Dockerd;
  beforeAll(async () => {
    engine = await startDockerd();
    await busyboxImage(engine);
  });
  afterAll(() => engine?.stop());

  const run = (name: string, ...options: string[]) =>
    engine.docker('run', '--detach', '--stop-timeout=1', `--name=${name}`, ...options, 'busybox', 'sh', '-c', WAITING);
  const pidOf = async (id: string) => Number(await engine.docker('inspect', '--format={{.State.Pid}}', id));

  dockerContract('the engine', async () => {
    const docker = createDocker({ host: engine.host });
    return {
      docker,
      run: (name) => run(name),
      stop: async (id) => void (await engine.docker('stop', '--time=0', id)),
      crash: async (id) => void process.kill(await pidOf(id), 'SIGKILL'),
      finish: async (id) => void (await engine.docker('exec', id, 'touch', '/finish')),
      async say(id, line) {
        await engine.docker('exec', id, 'sh', '-c', 'echo "$1" >> /out', 'say', line);
        await sleep(1100);
      },
      async close() {},
    };
  });

  it('tells why containers ended across a restart of the engine', async () => {
    const docker = createDocker({ host: engine.host });
    const watch = docker.watch();
    try {
      await engine.bounce();
      const stopped = await run('after-bounce-stopped');
      const killed = await run('after-bounce-killed');
      await engine.docker('stop', '--time=0', stopped);
      process.kill(await pidOf(killed), 'SIGKILL');

      expect(await ended(docker, stopped)).toMatchObject({ stoppedOnPurpose: true, exitCode: 137 });
      expect(await ended(docker, killed)).toMatchObject({ stoppedOnPurpose: false, exitCode: 137 });
    } finally {
      await watch.stop();
    }
  });

  it('judges by the exit code where the engine has forgotten', async () => {
    const docker = createDocker({ host: engine.host });
    const terminated = await engine.docker('run', '--detach', 'busybox', 'sh', '-c', 'exit 143');
    const crashed = await engine.docker('run', '--detach', 'busybox', 'sh', '-c', 'exit 3');
    await ended(docker, terminated);
    await engine.bounce();
    const later = createDocker({ host: engine.host });

    expect(await later.inspect(terminated)).toMatchObject({ exitCode: 143, stoppedOnPurpose: true });
    expect(await later.inspect(crashed)).toMatchObject({ exitCode: 3, stoppedOnPurpose: false });
  });

  it('takes docker kill for a decision, and a reload signal for none', async () => {
    const docker = createDocker({ host: engine.host });
    const killed = await run('kill-api');
    const reloaded = await run('reloaded');
    await engine.docker('kill', killed);
    await engine.docker('kill', '--signal=USR2', reloaded);
    process.kill(await pidOf(reloaded), 'SIGKILL');

    expect(await ended(docker, killed)).toMatchObject({ stoppedOnPurpose: true });
    expect(await ended(docker, reloaded)).toMatchObject({ stoppedOnPurpose: false });
  });

  it("tells a container's health and what its check said", async () => {
    const docker = createDocker({ host: engine.host });
    const id = await engine.docker(
      'run',
      '--detach',
      '--health-cmd=echo no good; exit 1',
      '--health-interval=100ms',
      '--health-retries=1',
      'busybox',
      'sleep',
      '1000',
    );
    let found = await docker.inspect(id);
    while (found?.health !== 'unhealthy') {
      await sleep(50);
      found = await docker.inspect(id);
    }

    expect(found.healthLog).toBe('no good\n');
    expect(found.state).toBe('running');
  });

  it('restarts one that is paused', async () => {
    const docker = createDocker({ host: engine.host });
    const id = await run('paused');
    await engine.docker('pause', id);
    expect(await docker.inspect(id)).toMatchObject({ state: 'paused' });

    await docker.restart(id, { graceSeconds: 0, signal: new AbortController().signal });

    expect(await docker.inspect(id)).toMatchObject({ state: 'running' });
  });

  it('reads the log of a container with a terminal', async () => {
    const docker = createDocker({ host: engine.host });
    const id = await engine.docker('run', '--detach', '--tty', 'busybox', 'sh', '-c', 'echo from a terminal');
    await ended(docker, id);

    expect(await docker.logs(id, { tail: 10 })).toEqual(['from a terminal']);
  });
});

describe('docker without an engine', () => {
  it('says UNAVAILABLE with what to do', async () => {
    const docker = createDocker({ host: 'unix:///nonexistent/docker.sock' });

    await expect(docker.containers()).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      retryable: true,
      hint: expect.stringContaining('DOCKER_HOST'),
    });
    expect(await docker.status()).toEqual({ ok: false, reason: expect.stringContaining('/nonexistent/docker.sock') });
  });

  it('gives up on an engine that accepts and never answers', async () => {
    await using folder = await tempFolder();
    const path = join(folder.path, 's');
    const server = createServer(() => {});
    await new Promise<void>((resolve) => void server.listen(path, resolve));
    try {
      const docker = createDocker({ host: `unix://${path}`, timeoutMs: 100 });

      await expect(docker.inspect('any')).rejects.toMatchObject({ code: 'TIMEOUT' });
      await expect(docker.status()).resolves.toMatchObject({ ok: false });
    } finally {
      server.close();
    }
  });

  it('refuses an address that it does not understand', () => {
    expect(() => createDocker({ host: 'carrier-pigeon' })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
  });
});

async function ended(docker: DockerAdapter, id: string) {
  for (;;) {
    const found = await docker.inspect(id);
    if (found?.state === 'exited') return found;
    await sleep(20);
  }
}
