import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDocker, type DockerAdapter } from '../src/adapters/docker/index.ts';
import { createPrograms } from '../src/adapters/programs/index.ts';
import { createStorage } from '../src/adapters/storage/index.ts';
import cleanDocker from '../src/automations/clean-docker/index.ts';
import freeDiskSpace from '../src/automations/free-disk-space/index.ts';
import type { StoragePort } from '../src/core/ports/storage.ts';
import { performInMemory } from '../src/testing/perform-in-memory.ts';
import { busyboxImage } from '../src/testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../src/testing/world/dockerd.ts';
import { tempFolder } from '../src/testing/world/temp-folder.ts';

const missing = dockerMissing();
const MB = 1e6;
/** Everything is made now, and looked at in two months. */
const later = (): Date => new Date(Date.now() + 60 * 86_400_000);

/** A file system of its own, with a Docker engine's data, logs and a journal on it. */
describe.skipIf(missing !== undefined)(`making room${missing ? ` (skipped: ${missing})` : ''}`, () => {
  let disk: Awaited<ReturnType<typeof tempFolder>>;
  let engine: Dockerd;
  let docker: DockerAdapter;
  let storage: StoragePort;

  beforeAll(async () => {
    disk = await tempFolder('stw-disk');
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=900m', 'tmpfs', disk.path]);
    const before = process.env['TMPDIR'];
    process.env['TMPDIR'] = disk.path;
    try {
      engine = await startDockerd();
    } finally {
      if (before === undefined) delete process.env['TMPDIR'];
      else process.env['TMPDIR'] = before;
    }
    docker = createDocker({ host: engine.host, protect: () => ['precious/*'] });
    const programs = createPrograms({ environment: { PATH: process.env['PATH'] } });
    storage = createStorage({
      programs,
      cachePrograms: [],
      journalFolder: join(disk.path, 'journal'),
      logFolder: join(disk.path, 'log'),
    });
    await busyboxImage(engine, 'base:1');
    for (const tag of ['shop:1', 'shop:2', 'shop:3', 'precious/tool:1']) await build(tag, 60);
    // Two that lost their name to a newer one.
    for (let turn = 0; turn < 3; turn += 1) await build('rebuilt:1', 40, `rebuilt-${turn}`);
    await engine.docker('create', '--name=stopped-shop', '--volume=data:/rows', 'shop:3', 'cat', '/rows/row');
    await engine.docker('run', '--rm', '--volume=data:/rows', 'base:1', 'sh', '-c', 'echo alive > /rows/row');
    const log = join(disk.path, 'log', 'syslog.2.gz');
    await mkdir(join(disk.path, 'log'));
    await writeFile(log, randomBytes(50 * MB));
    await utimes(log, 0, 0);
    const machine = join(disk.path, 'journal', '0123456789abcdef0123456789abcdef');
    await mkdir(machine, { recursive: true });
    for (const number of [1, 2, 3]) {
      const [count, at] = [number, 1_700_000_000_000_000 + number].map((one) => one.toString(16).padStart(16, '0'));
      await writeFile(join(machine, `system@${'ab'.repeat(16)}-${count}-${at}.journal`), Buffer.alloc(60 * MB, 'x'));
    }
  }, 120_000);
  afterAll(async () => {
    await engine?.stop();
    execFileSync('umount', ['--lazy', disk.path]);
    await disk.remove();
  });

  async function build(tag: string, megabytes: number, folder = tag.replaceAll(/\W/g, '-')): Promise<void> {
    const context = join(disk.path, folder);
    await mkdir(context);
    await writeFile(join(context, 'data'), randomBytes(megabytes * MB));
    await writeFile(join(context, 'Dockerfile'), 'FROM base:1\nCOPY data /data\n');
    await engine.docker('build', '--quiet', `--tag=${tag}`, context);
    execFileSync('rm', ['-r', context]);
  }
  const free = (target: string, dryRun = false) =>
    performInMemory(freeDiskSpace, {
      ports: { docker, storage },
      now: later,
      dryRun,
      input: { path: disk.path, target, keepPrevious: 1, journalKeepMB: 100 },
    });
  const freeMegabytes = async (): Promise<number> => Math.round((await storage.space(disk.path)).freeBytes / MB);
  const tags = async (): Promise<string[]> => (await docker.images()).flatMap((image) => image.tags).toSorted();

  it('stops on the first rung that is enough', async () => {
    const before = await freeMegabytes();
    const run = await free(`${before + 30} MB`);

    expect(run).toMatchObject({ status: 'succeeded', output: { reached: true } });
    expect(run.output?.rungs).toMatchObject([{ rung: 'nameless-images', items: 1 }]);
    expect((await freeMegabytes()) - before).toBeGreaterThanOrEqual(38);
  });

  it('shows all of it before anyone agrees, and touches nothing', async () => {
    const before = await freeMegabytes();
    const { plan, facts } = await free('900 MB', true);

    expect(plan.map((change) => (change as { rung?: string }).rung)).toEqual([
      'rotated-logs',
      'journal',
      'unused-images',
    ]);
    expect(facts).toMatchObject({ enough: false, warning: expect.stringContaining('a person') });
    expect(await freeMegabytes()).toBe(before);
  });

  it('climbs on while it must: what stays is used, protected, a way back, or new', async () => {
    const before = await freeMegabytes();
    const run = await free('900 MB');

    expect(run).toMatchObject({
      status: 'succeeded',
      output: {
        reached: false,
        rungs: [
          { rung: 'rotated-logs', items: 1, bytes: 50 * MB },
          { rung: 'journal', items: 1 },
          { rung: 'unused-images', items: 1 },
        ],
      },
    });
    expect(await tags()).toEqual(['base:1', 'precious/tool:1', 'rebuilt:1', 'shop:2', 'shop:3']);
    expect(await readdir(join(disk.path, 'log'))).toEqual([]);
    expect(await readdir(join(disk.path, 'journal', '0123456789abcdef0123456789abcdef'))).toHaveLength(1);
    expect((await freeMegabytes()) - before).toBeGreaterThanOrEqual(220);
    expect(run.output?.gainedBytes).toBeGreaterThanOrEqual(220 * MB);
  });

  it('leaves the data of volumes, and a stopped container that starts again', async () => {
    await engine.docker('start', 'stopped-shop');
    expect(await engine.docker('wait', 'stopped-shop')).toBe('0');
    expect(await engine.docker('logs', 'stopped-shop')).toBe('alive');
  });

  it('has nothing left for clean-docker, until somebody stops using what it is', async () => {
    const clean = () =>
      performInMemory(cleanDocker, { ports: { docker, storage }, now: later, input: { keep_previous: 1 } });
    expect(await clean()).toMatchObject({ status: 'succeeded', plan: [] });

    await engine.docker('rm', 'stopped-shop');

    // Nothing is used any more: of what was built here the newest stays.
    expect(await clean()).toMatchObject({ status: 'succeeded', output: { removed: [expect.any(String)] } });
    expect(await tags()).toEqual(['base:1', 'precious/tool:1', 'rebuilt:1', 'shop:3']);
    expect(await engine.docker('volume', 'ls', '--quiet')).toBe('data');
  });
});
