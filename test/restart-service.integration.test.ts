import { writeFile } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDocker } from '../src/adapters/docker/index.ts';
import { createProber } from '../src/adapters/probes/index.ts';
import { createProcesses } from '../src/adapters/processes/index.ts';
import { createPrograms } from '../src/adapters/programs/index.ts';
import type { ProcessInfo, ProcessesPort } from '../src/core/ports/processes.ts';
import type { Resource } from '../src/core/resource.ts';
import { fakeDocker } from '../src/testing/fakes/fake-docker.ts';
import { fakeChecks } from '../src/testing/fakes/fake-checks.ts';
import { aResource, fakeInventory } from '../src/testing/fakes/fake-inventory.ts';
import { fakeRecipes } from '../src/testing/fakes/fake-recipes.ts';
import { fakeSystemd } from '../src/testing/fakes/fake-systemd.ts';
import { performInMemory } from '../src/testing/perform-in-memory.ts';
import { busyboxImage } from '../src/testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../src/testing/world/dockerd.ts';
import { freePort, startProgram } from '../src/testing/world/start-program.ts';
import { tempFolder } from '../src/testing/world/temp-folder.ts';
import restartService from '../src/automations/restart-service/index.ts';

const real = createProcesses({
  programs: createPrograms({ environment: { PATH: process.env['PATH'] ?? '/usr/bin:/bin' } }),
});
const noSecrets = async (): Promise<string> => '';

describe('restart-service on real processes', () => {
  it('brings back a web server that was frozen, and it is another process that answers', async () => {
    await using folder = await tempFolder();
    const port = await freePort();
    const script = join(folder.path, 'app.mjs');
    await writeFile(
      script,
      `import { createServer } from 'node:http';\ncreateServer((_, response) => response.end('here')).listen(${port}, '127.0.0.1', () => console.log('ready'));\n`,
    );
    await using first = await startProgram({
      program: process.execPath,
      args: [script],
      cwd: folder.path,
      ready: { output: /ready/ },
    });
    const seen = await real.get(first.pid);
    const captured = seen && (await real.capture(seen, []));
    if (!captured || !('recipe' in captured)) throw new Error('The recipe of our own child is known.');
    const { recipe } = captured;
    const web = aResource({
      id: 'svc_app',
      name: 'app',
      labels: { 'steward.restart': 'process', speaks: 'http' },
      endpoints: [{ protocol: 'tcp', address: '127.0.0.1', port }],
      supervisor: { kind: 'process', recipe },
    });
    // Output goes where Steward keeps it, as compose arranges.
    const processes: ProcessesPort = {
      ...real,
      launch: (one, options) =>
        real.launch(one, {
          ...options,
          outputPath: isAbsolute(options.outputPath) ? options.outputPath : join(folder.path, options.outputPath),
        }),
    };
    const recipes = fakeRecipes({ processes });
    recipes.keep('svc_app', recipe);
    const prober = createProber({ secrets: noSecrets, processes });
    process.kill(first.pid, 'SIGSTOP');

    const run = await performInMemory(restartService, {
      ports: {
        inventory: fakeInventory([web]),
        prober,
        checks: fakeChecks(),
        processes,
        recipes,
        systemd: fakeSystemd(),
        docker: fakeDocker(),
      },
      input: { service: 'app', graceSeconds: 2, settleSeconds: 15 },
      trigger: 'healing',
    });
    const now = (await real.list()).filter(({ argv }) => argv.includes(script));
    try {
      expect(run).toMatchObject({ status: 'succeeded', output: { restarted: true } });
      expect(now.map(({ pid }) => pid)).not.toContain(first.pid);
      expect(now).toHaveLength(1);
      expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('here');
    } finally {
      await endAll(now);
      await prober.close();
    }
  });
});

const reason = dockerMissing();
describe.skipIf(reason !== undefined)(
  `restart-service on a real container${reason ? ` (skipped: ${reason})` : ''}`,
  () => {
    let engine: Dockerd;
    beforeAll(async () => {
      engine = await startDockerd();
      await busyboxImage(engine);
    }, 120_000);
    afterAll(async () => {
      await engine?.stop();
    }, 60_000);

    const container = (id: string, name: string): Resource =>
      aResource({ id: `svc_${name}`, name, supervisor: { kind: 'docker', container: id, name } });

    it('starts one again that died, leaves one alone that was stopped on purpose', async () => {
      const docker = createDocker({ host: engine.host });
      const prober = createProber({ secrets: noSecrets, docker, processes: real });
      const dead = await engine.docker(
        'run',
        '--detach',
        '--name',
        'dead',
        '--network',
        'none',
        'busybox',
        'sh',
        '-c',
        'sleep 600',
      );
      const stopped = await engine.docker(
        'run',
        '--detach',
        '--name',
        'stopped',
        '--network',
        'none',
        '--stop-timeout',
        '1',
        'busybox',
        'sh',
        '-c',
        'sleep 600',
      );
      const before = await docker.inspect(dead);
      process.kill(before?.pid ?? 0, 'SIGKILL');
      await engine.docker('wait', dead);
      await engine.docker('stop', stopped);
      const inventory = fakeInventory([container(dead, 'dead'), container(stopped, 'stopped')]);
      const heal = (service: string) =>
        performInMemory(restartService, {
          ports: {
            inventory,
            prober,
            checks: fakeChecks(),
            processes: real,
            recipes: fakeRecipes({ processes: real }),
            systemd: fakeSystemd(),
            docker,
          },
          input: { service, graceSeconds: 1, settleSeconds: 15 },
          trigger: 'healing',
        });
      try {
        expect(await heal('dead')).toMatchObject({
          status: 'succeeded',
          output: { supervisor: 'docker', restarted: true },
        });
        expect((await docker.inspect(dead))?.state).toBe('running');
        expect(await heal('stopped')).toMatchObject({
          status: 'failed',
          error: { phase: 'validate', message: expect.stringContaining('not stopped on purpose') },
        });
        expect((await docker.inspect(stopped))?.state).toBe('exited');
      } finally {
        await prober.close();
      }
    }, 60_000);
  },
);

async function endAll(found: readonly ProcessInfo[]): Promise<void> {
  for (const one of found) await real.signal(one, 'SIGKILL');
}
