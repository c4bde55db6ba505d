import { defined } from '../../testing/defined.ts';
import { userInfo } from 'node:os';
import { type ChildProcess, spawn } from 'node:child_process';
import { copyFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hasProgram, startProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { identityOf, isAlive } from '../procfs/identity.ts';
import { readStat } from '../procfs/stat.ts';
import { createPrograms } from '../programs/index.ts';
import { createProcesses } from './index.ts';
import { processesContract } from './processes.contract.ts';

const processes = createProcesses({ programs: createPrograms({ environment: process.env }) });
const SLEEP = realpathSync('/bin/sleep');
const self = { uid: userInfo().uid, gid: userInfo().gid };
const isRoot = self.uid === 0;
const until = async (condition: () => boolean) =>
  void (await vi.waitUntil(condition, { timeout: 10_000, interval: 10 }));

processesContract('processes of this machine', async () => {
  const folder = await tempFolder();
  const children: ChildProcess[] = [];
  return {
    processes,
    async start() {
      const child = spawn('sleep', ['1000'], { stdio: 'ignore' });
      children.push(child);
      await new Promise((resolve) => child.once('spawn', resolve));
      return defined(child.pid);
    },
    async freeze(pid) {
      process.kill(pid, 'SIGSTOP');
      await until(() => readStat(pid)?.state === 'T');
    },
    gone: (identity) => until(() => !isAlive(identity)),
    recipe: { argv: ['sleep', '1000'], executable: SLEEP, cwd: folder.path, ...self },
    outputPath: join(folder.path, 'out'),
    async close() {
      for (const child of children) child.kill('SIGKILL');
      await folder.remove();
    },
  };
});

describe('a process', () => {
  let folder: TempFolder;
  beforeAll(async () => {
    folder = await tempFolder();
  });
  afterAll(() => folder.remove());

  it('is described as the kernel knows it', async () => {
    await using running = await startProgram({
      program: 'sh',
      args: ['-c', 'echo ready; read x || sleep 1000', 'a b', 'ü\n'],
      cwd: folder.path,
      ready: { output: /ready/ },
    });

    const found = defined(await processes.get(running.pid));

    expect(found).toMatchObject({
      parent: process.pid,
      uid: self.uid,
      argv: ['sh', '-c', 'echo ready; read x || sleep 1000', 'a b', 'ü\n'],
      cwd: folder.path,
    });
    expect(found.executable).toBe(realpathSync('/bin/sh'));
    expect(found.residentBytes).toBeGreaterThan(0);
    expect(Math.abs(found.startedAt.getTime() - Date.now())).toBeLessThan(20_000);
  });

  it('has a recipe also after its program was replaced by an update', async () => {
    const program = join(folder.path, 'own sleep');
    await copyFile(SLEEP, program);
    await using running = await startProgram({ program, args: ['1000'], cwd: folder.path });
    await rm(program);

    expect(await processes.capture(defined(identityOf(running.pid)), [])).toEqual({
      recipe: { argv: [program, '1000'], executable: program, cwd: folder.path, ...self },
      environment: {},
    });
  });

  it('tells of its environment what it is asked for, and nothing of another process', async () => {
    const env = { ONE: '1', TWO: 'a=b\nc', THREE: '3', ONE_MORE: 'x', EMPTY: '' };
    await using running = await startProgram({ program: 'sleep', args: ['1000'], cwd: folder.path, env });
    const identity = defined(identityOf(running.pid));

    expect(await processes.capture(identity, ['ONE', 'TWO', 'EMPTY', 'NE', 'c'])).toMatchObject({
      environment: { ONE: '1', TWO: 'a=b\nc', EMPTY: '' },
    });
    expect(await processes.capture({ ...identity, startTicks: identity.startTicks + 1 }, ['ONE'])).toEqual({
      unknown: 'gone',
    });
  });

  it.skipIf(!hasProgram('redis-server'))('has no recipe where it wrote a title over its arguments', async () => {
    await using redis = await startProgram({
      program: 'redis-server',
      args: ['--port', '0', '--unixsocket', join(folder.path, 'r'), '--save', ''],
      cwd: folder.path,
      ready: { socket: join(folder.path, 'r') },
    });

    expect(defined(await processes.get(redis.pid)).argv[0]).toMatch(/^redis-server /);
    expect(await processes.capture(defined(identityOf(redis.pid)), [])).toEqual({
      unknown: 'overwritten',
      environment: {},
      ...self,
    });
  });

  it('has no recipe where it is the kernel', async () => {
    const thread = identityOf(2);
    if (thread) expect(await processes.capture(thread, ['PATH'])).toEqual({ unknown: 'unreadable' });
  });
});

describe('a launch', () => {
  let folder: TempFolder;
  let outputPath: string;
  beforeAll(async () => {
    folder = await tempFolder();
    outputPath = join(folder.path, 'output', 'log');
  });
  afterAll(() => folder.remove());

  const sh = (script: string) => ({
    argv: ['sh', '-c', script],
    executable: realpathSync('/bin/sh'),
    cwd: folder.path,
    ...self,
  });
  const options = () => ({ env: { KEPT: 'yes' }, outputPath });

  it('gives it an own session, the consented environment, and its output a private file', async () => {
    const identity = await processes.launch(sh('echo out; echo err >&2; exec sleep 1000'), options());
    await until(() => readStat(identity.pid)?.command === 'sleep');
    const bare = await processes.launch({ ...sh(''), argv: ['sleep', '1000'], executable: SLEEP }, options());

    expect(readStat(identity.pid)).toMatchObject({ session: identity.pid, group: identity.pid });
    expect(await readFile(`/proc/${bare.pid}/environ`, 'utf8')).toBe('KEPT=yes\0');
    expect(await readFile(outputPath, 'utf8')).toBe('out\nerr\n');
    expect((await stat(outputPath)).mode & 0o777).toBe(0o600);
    for (const one of [identity, bare]) await processes.signal(one, 'SIGKILL');
  });

  it.skipIf(!isRoot)('lets no variable decide what code runs before it is the user', async () => {
    const path = join(folder.path, 'loader');
    const env = { LD_PRELOAD: '/nonexistent/library.so', KEPT: 'yes' };
    const identity = await processes.launch(
      { argv: ['sleep', '1000'], executable: SLEEP, cwd: '/', uid: 65_534, gid: 65_534 },
      { env, outputPath: path },
    );

    const environ = async (): Promise<object> =>
      Object.fromEntries(
        (await readFile(`/proc/${identity.pid}/environ`, 'utf8'))
          .split('\0')
          .filter(Boolean)
          .map((line) => line.split('=')),
      );
    // The kernel writes the arguments down first: for an instant a program has them and no variable.
    await expect.poll(environ).toEqual(env);
    await until(() => readStat(identity.pid)?.state === 'S');
    // Each program that was given it complains once: the helper that still was root did not see it.
    expect((await readFile(path, 'utf8')).match(/cannot be preloaded/g)).toHaveLength(1);
    await processes.signal(identity, 'SIGKILL');
  });

  it('puts the output of a program aside that printed for long, once', async () => {
    const path = join(folder.path, 'long');
    await writeFile(path, Buffer.alloc(10 * 1024 * 1024 + 1, 'x'));
    const identity = await processes.launch(sh('echo new; exec sleep 1000'), { env: {}, outputPath: path });
    await until(() => readStat(identity.pid)?.command === 'sleep');

    expect(await readFile(path, 'utf8')).toBe('new\n');
    expect((await stat(`${path}.1`)).size).toBeGreaterThan(10 * 1024 * 1024);
    await processes.signal(identity, 'SIGKILL');
  });

  it('puts a relative output into the folder for it, and tells nobody the arguments where it fails', async () => {
    const inFolder = createProcesses({ programs: createPrograms({ environment: {} }), outputFolder: folder.path });
    const identity = await inFolder.launch(sh('echo here; exec sleep 1000'), { env: {}, outputPath: 'svc.log' });
    await until(() => readStat(identity.pid)?.command === 'sleep');
    expect(await readFile(join(folder.path, 'svc.log'), 'utf8')).toBe('here\n');
    await inFolder.signal(identity, 'SIGKILL');

    const broken = { ...sh('hunter2secret'), executable: folder.path };
    const failure: unknown = await processes.launch(broken, options()).catch((error: unknown) => error);
    expect(inspect(failure)).not.toContain('hunter2secret');
    expect(failure).toMatchObject({ code: 'PROGRAM_FAILED' });
  });

  it('appends to what an earlier start printed', async () => {
    const path = join(folder.path, 'appended');
    for (const word of ['one', 'two']) {
      const identity = await processes.launch(sh(`echo ${word}; exec sleep 1000`), { env: {}, outputPath: path });
      await until(() => readStat(identity.pid)?.command === 'sleep');
      await processes.signal(identity, 'SIGKILL');
    }

    expect(await readFile(path, 'utf8')).toBe('one\ntwo\n');
  });

  it('outlives the one who launched it', async () => {
    const parent = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `const { createProcesses } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
         const processes = createProcesses({ programs: {} });
         const identity = await processes.launch(${JSON.stringify(sh('exec sleep 1000'))}, ${JSON.stringify(options())});
         console.log(JSON.stringify(identity));
         setInterval(() => {}, 1000);`,
      ],
      { stdio: ['ignore', 'pipe', 'inherit'], detached: true },
    );
    const identity = JSON.parse(String(await new Promise((resolve) => parent.stdout.once('data', resolve))));

    process.kill(-defined(parent.pid), 'SIGKILL');
    await new Promise((resolve) => parent.once('exit', resolve));

    expect(isAlive(identity)).toBe(true);
    expect(await processes.signal(identity, 'SIGKILL')).toBe(true);
  });

  it.skipIf(!isRoot)('runs it as the user of the recipe, groups included', async () => {
    const path = join(folder.path, 'identity');
    const identity = await processes.launch(
      { ...sh('id -u; id -g; id -G; cd /; exec sleep 1000'), cwd: '/', uid: 65_534, gid: 65_534 },
      { env: { PATH: '/usr/bin:/bin' }, outputPath: path },
    );
    await until(() => readStat(identity.pid)?.command === 'sleep');

    expect(await readFile(path, 'utf8')).toBe('65534\n65534\n65534\n');
    expect(defined(await processes.get(identity.pid)).user).toBe('nobody');
    await processes.signal(identity, 'SIGKILL');
  });

  it('fails where the program or its folder is gone, and where it is no program', async () => {
    await expect(processes.launch({ ...sh(''), executable: '/nonexistent/program' }, options())).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
    await expect(processes.launch({ ...sh(''), cwd: '/nonexistent' }, options())).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
    await expect(processes.launch({ ...sh(''), executable: join(folder.path) }, options())).rejects.toMatchObject({
      code: 'PROGRAM_FAILED',
    });
  });

  it('starts a program of many names under its own', async () => {
    const identity = await processes.launch(
      {
        argv: ['busybox', 'sleep', '1000'],
        executable: realpathSync(hasProgram('busybox') ? '/bin/busybox' : SLEEP),
        cwd: '/',
        ...self,
      },
      options(),
    );

    expect(defined(await processes.get(identity.pid)).argv[0]).toBe('busybox');
    await processes.signal(identity, 'SIGKILL');
  });
});
