import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer, type IncomingMessage, request as httpRequest } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defined } from '../../testing/defined.ts';
import { busyboxImage } from '../../testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../../testing/world/dockerd.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { dockerContract } from './docker.contract.ts';
import { createDocker, type DockerAdapter } from './index.ts';

const missing = dockerMissing();

// Ends with 0 when /finish is written to, ignores SIGTERM as PID 1 does, and shows what is appended to /out.
const WAITING = 'touch /out; mkfifo /finish; tail -f /out & read -r line < /finish; exit 0';

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
    const made: string[] = [];
    return {
      docker,
      async run(name) {
        const id = await run(name);
        made.push(id);
        return id;
      },
      stop: async (id) => void (await engine.docker('stop', '--time=0', id)),
      crash: async (id) => void process.kill(await pidOf(id), 'SIGKILL'),
      // Detached: what is run in a container is killed with it, now and then before it could end well.
      finish: async (id) => void (await engine.docker('exec', '--detach', id, 'sh', '-c', ': > /finish')),
      async say(id, line) {
        await engine.docker('exec', id, 'sh', '-c', 'echo "$1" >> /out', 'say', line);
        await sleep(1100);
      },
      // What goes on running has to be stopped whenever the engine is.
      close: async () => void (await engine.docker('rm', '--force', ...made)),
    };
  });

  it('tells why containers ended across a restart of the engine', { timeout: 60_000 }, async () => {
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

  it('judges by the exit code where the engine has forgotten', { timeout: 60_000 }, async () => {
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

describe.skipIf(missing !== undefined)(`images${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let engine: Dockerd;
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  const signal = new AbortController().signal;
  beforeAll(async () => {
    engine = await startDockerd();
    folder = await tempFolder();
    await busyboxImage(engine, 'base:1');
  });
  afterAll(async () => {
    await engine?.stop();
    await folder?.remove();
  });

  /** A layer of its own on top of base:1, as big as asked. */
  async function build(tag: string, megabytes: number, ...options: string[]): Promise<string> {
    const context = join(folder.path, tag.replaceAll(/\W/g, '-'));
    await mkdir(context);
    await writeFile(join(context, 'data'), randomBytes(megabytes * 1_000_000));
    await writeFile(join(context, 'Dockerfile'), 'FROM base:1\nCOPY data /data\n');
    await engine.docker('build', '--quiet', `--tag=${tag}`, ...options, context);
    return await engine.docker('image', 'inspect', '--format={{.Id}}', tag);
  }

  it('are told with their names, their own bytes, their labels and who uses them', async () => {
    const id = await build('shop:1', 8, '--label=com.docker.compose.service=shop');
    await engine.docker('tag', 'shop:1', 'shop:stable');
    await engine.docker('create', '--name=stopped-shop', 'shop:1');

    const found = (await createDocker({ host: engine.host }).images()).find((image) => image.id === id);

    expect(found).toMatchObject({
      tags: expect.arrayContaining(['shop:1', 'shop:stable']),
      digests: [],
      labels: { 'com.docker.compose.service': 'shop' },
      usedBy: ['stopped-shop'],
      protected: false,
    });
    expect(defined(found).ownBytes).toBeGreaterThanOrEqual(8_000_000);
    expect(defined(found).ownBytes).toBeLessThan(defined(found).bytes);
    expect(Date.now() - defined(defined(found).taggedAt).getTime()).toBeLessThan(60_000);
  });

  it('go with all their names, and not while a stopped container is made of them', async () => {
    const docker = createDocker({ host: engine.host });
    const id = await build('once:1', 2);
    await engine.docker('tag', 'once:1', 'once:2');
    await engine.docker('create', '--name=holds-once', 'once:1');

    await expect(docker.removeImage(id, { signal })).rejects.toMatchObject({
      code: 'CONFLICT',
      message: expect.stringContaining('holds-once'),
    });
    expect(await engine.docker('image', 'ls', '--quiet', '--no-trunc', 'once')).toContain(id);

    await engine.docker('rm', 'holds-once');
    expect(await docker.removeImage(id, { signal })).toBe(true);
    expect(await docker.removeImage(id, { signal })).toBe(false);
    expect((await docker.images()).map((image) => image.id)).not.toContain(id);
  });

  it('stay where the configuration protects them', async () => {
    const id = await build('registry.example/team/tool:7', 1);
    for (const pattern of ['registry.example/*', 'registry.example/team/tool', '*/tool:7']) {
      const docker = createDocker({ host: engine.host, protect: () => [pattern] });
      await expect(docker.removeImage(id, { signal })).rejects.toMatchObject({ code: 'CONFLICT' });
    }
    const other = createDocker({ host: engine.host, protect: () => ['registry.example/team/too', 'tool'] });
    expect((await other.images()).find((image) => image.id === id)?.protected).toBe(false);
  });

  it('a rebuilt one leaves a nameless one behind, which can go too', async () => {
    const docker = createDocker({ host: engine.host });
    const old = await build('rebuilt:1', 1);
    await rename(join(folder.path, 'rebuilt-1'), join(folder.path, 'rebuilt-before'));
    await build('rebuilt:1', 1);

    expect((await docker.images()).find((image) => image.id === old)).toMatchObject({ tags: [], usedBy: [] });
    expect(await docker.removeImage(old, { signal })).toBe(true);
  });

  it('are built with a cache, of which only what nobody used lately goes', async () => {
    const docker = createDocker({ host: engine.host });
    const context = join(folder.path, 'cached');
    await mkdir(context);
    await writeFile(join(context, 'data'), randomBytes(3_000_000));
    await writeFile(join(context, 'Dockerfile'), 'FROM base:1\nCOPY data /data\nCOPY data /twice\n');
    // The client needs a plugin for BuildKit; the engine takes a context from an address as well.
    const tar = join(folder.path, 'cached.tar');
    await promisify(execFile)('tar', ['--create', '--file', tar, '--directory', context, '.']);
    const server = createHttpServer((_request, response) => createReadStream(tar).pipe(response)).listen(
      0,
      '127.0.0.1',
    );
    await once(server, 'listening');
    try {
      const { port } = server.address() as AddressInfo;
      await viaSocket(engine.host, `/build?version=2&t=cached&remote=http://127.0.0.1:${port}/context.tar`);
    } finally {
      server.close();
    }
    await engine.docker('image', 'rm', 'cached');

    const entries = await docker.buildCache();
    expect(entries.reduce((sum, { bytes }) => sum + bytes, 0)).toBeGreaterThan(6_000_000);
    expect(entries.every(({ lastUsedAt }) => Date.now() - lastUsedAt.getTime() < 60_000)).toBe(true);

    expect(await docker.pruneBuildCache({ unusedForMs: 3_600_000, signal })).toEqual({ bytes: 0 });
    expect(await docker.buildCache()).toHaveLength(entries.length);
    expect((await docker.pruneBuildCache({ unusedForMs: 0, signal })).bytes).toBeGreaterThan(3_000_000);
    expect(await docker.dataFolder()).toBe(join(engine.folder, 'data'));
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

/** POSTs to the engine and waits for the end of its answer. */
async function viaSocket(host: string, path: string): Promise<void> {
  const asked = httpRequest({ socketPath: host.replace('unix://', ''), path, method: 'POST' }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  let said = '';
  for await (const chunk of response) said += String(chunk);
  if (response.statusCode !== 200 || said.includes('"error"')) throw new Error(said);
}

async function ended(docker: DockerAdapter, id: string) {
  for (;;) {
    const found = await docker.inspect(id);
    if (found?.state === 'exited') return found;
    await sleep(20);
  }
}
