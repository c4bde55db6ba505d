import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { CheckTarget, type ProbeResult } from '../../core/check.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createGauges } from '../host/gauges.ts';
import { createProcesses } from '../processes/index.ts';
import { createPrograms } from '../programs/index.ts';
import { createProber } from './index.ts';

// Every kind of check that looks at the machine: how it fails and recovers on a real one.

const processes = createProcesses({ programs: createPrograms({ environment: { PATH: '/usr/bin:/bin' } }) });
const secrets = async (): Promise<string> => '';
const prober = createProber({ secrets, processes, gauges: createGauges() });

let folder: TempFolder;
beforeAll(async () => {
  folder = await tempFolder('stw-machine');
});
afterAll(async () => {
  await prober.close();
  await folder.remove();
});

const look = (target: object, by = prober): Promise<ProbeResult> =>
  by.probe(CheckTarget.parse(target), { timeoutMs: 5_000, slowMs: 30_000, signal: new AbortController().signal });

const canMount = process.getuid?.() === 0;
describe.skipIf(!canMount)('disk and inodes, on a tmpfs with a size (needs root)', () => {
  let disk: string;
  beforeAll(() => {
    disk = join(folder.path, 'disk');
    mkdirSync(disk);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=10m,nr_inodes=100', 'tmpfs', disk]);
  });
  afterAll(() => execFileSync('umount', [disk]));

  it('disk warns, names the trouble once it is full, and recovers', async () => {
    const check = { kind: 'disk', path: disk };
    expect(await look(check)).toMatchObject({ state: 'up', depth: 'query' });
    writeFileSync(join(disk, 'a'), Buffer.alloc(8.8 * 1024 ** 2));
    const warned = await look(check);
    expect(warned).toMatchObject({ state: 'degraded', message: expect.stringContaining(`${disk} is 88`) });
    expect(warned.problem).toBeUndefined();
    writeFileSync(join(disk, 'b'), Buffer.alloc(1024 ** 2));
    expect(await look(check)).toMatchObject({ state: 'degraded', problem: 'disk.full' });
    rmSync(join(disk, 'a'));
    expect(await look(check)).toMatchObject({ state: 'up' });
    expect(await look({ ...check, minFree: '9500KB' })).toMatchObject({ state: 'degraded', problem: 'disk.full' });
    rmSync(join(disk, 'b'));
    expect(await look({ ...check, minFree: '9500KB' })).toMatchObject({ state: 'up' });
  });

  it('inodes likewise, while there is room for bytes', async () => {
    const check = { kind: 'inodes', path: disk };
    expect(await look(check)).toMatchObject({ state: 'up' });
    for (let count = 0; count < 95; count += 1) writeFileSync(join(disk, `f${count}`), '');
    expect(await look(check)).toMatchObject({ state: 'degraded', problem: 'inodes.full' });
    expect(await look({ kind: 'disk', path: disk })).toMatchObject({ state: 'up' });
    for (const name of readdirSync(disk)) rmSync(join(disk, name));
    expect(await look(check)).toMatchObject({ state: 'up' });
  });

  it('a path that is not there is down, and without a path every disk is looked at', async () => {
    expect(await look({ kind: 'disk', path: join(folder.path, 'nowhere') })).toMatchObject({ state: 'down' });
    expect(await look({ kind: 'disk', warn: 100, heal: 100 })).toMatchObject({ depth: 'query' });
    expect(await look({ kind: 'inodes', warn: 100, heal: 100 })).toMatchObject({ depth: 'query' });
  });
});

describe('memory and load (recorded /proc through the real parser, and the real /proc)', () => {
  const recorded = (available: number, load5: string) => {
    const files: Readonly<Record<string, string>> = {
      '/proc/meminfo': `MemTotal:       16384000 kB\nMemFree:          200000 kB\nMemAvailable:   ${available} kB\nBuffers: 1 kB\n`,
      '/proc/loadavg': `99.00 ${load5} 1.00 3/1234 5678\n`,
    };
    return createProber({ secrets, gauges: createGauges((path) => files[path]) });
  };

  it('memory goes from well to a warning to what healing acts on, and back', async () => {
    for (const [available, state, problem] of [
      [8_192_000, 'up', undefined],
      [2_900_000, 'degraded', undefined],
      [1_500_000, 'degraded', 'memory.high'],
      [8_192_000, 'up', undefined],
    ] as const) {
      const seen = await look({ kind: 'memory' }, recorded(available, '0.1'));
      expect([seen.state, seen.problem]).toEqual([state, problem]);
    }
  });

  it('load is judged for each core over five minutes, not by the peak of one', async () => {
    const { availableParallelism } = await import('node:os');
    const of = (perCore: number): string => (perCore * availableParallelism()).toFixed(2);
    expect(await look({ kind: 'load' }, recorded(1, of(1.4)))).toMatchObject({ state: 'up' });
    expect(await look({ kind: 'load' }, recorded(1, of(1.6)))).toMatchObject({
      state: 'degraded',
      problem: 'load.high',
    });
    expect(await look({ kind: 'load' }, recorded(1, of(1)))).toMatchObject({ state: 'up' });
  });

  it('reads the real machine', async () => {
    expect(await look({ kind: 'memory', warn: 100, heal: 100 })).toMatchObject({ state: 'up' });
    expect(await look({ kind: 'load', perCore: 1000 })).toMatchObject({
      state: 'up',
      detail: { load5: expect.any(Number) },
    });
  });
});

describe('file', () => {
  it('is fresh, too old, too small, missing, and well again; of a pattern the newest counts', async () => {
    const path = (name: string): string => join(folder.path, name);
    const check = { kind: 'file', path: path('db-*.dump'), maxAge: '1d', minSize: 5 };
    expect(await look(check)).toMatchObject({ state: 'down', message: expect.stringContaining('no such file') });
    writeFileSync(path('db-1.dump'), 'x'.repeat(10));
    writeFileSync(path('db-2.dump'), 'x'.repeat(10));
    const daysAgo = (days: number): Date => new Date(Date.now() - days * 86_400_000);
    utimesSync(path('db-1.dump'), daysAgo(3), daysAgo(3));
    expect(await look(check)).toMatchObject({ state: 'up', detail: { path: path('db-2.dump'), of: 2 } });
    utimesSync(path('db-2.dump'), daysAgo(2), daysAgo(2));
    expect(await look(check)).toMatchObject({ state: 'down', message: expect.stringContaining('expected within 1d') });
    writeFileSync(path('db-3.dump'), 'x');
    expect(await look(check)).toMatchObject({ state: 'down', message: expect.stringContaining('at least') });
    writeFileSync(path('db-3.dump'), 'x'.repeat(10));
    expect(await look(check)).toMatchObject({ state: 'up' });
    const mark = { kind: 'file', path: path('restart-needed'), exists: false };
    expect(await look(mark)).toMatchObject({ state: 'up' });
    writeFileSync(path('restart-needed'), '');
    expect(await look(mark)).toMatchObject({ state: 'down' });
  });
});

describe('log', () => {
  it('grows too fast, too large, not at all, and is well again; rotation is no growth backwards', async () => {
    const path = join(folder.path, 'app.log');
    expect(await look({ kind: 'log', path })).toMatchObject({ state: 'down' });
    writeFileSync(path, 'started\n');
    const target = CheckTarget.parse({ kind: 'log', path, maxPerMinute: '1MB', maxSize: '2MB', maxIdle: '1h' });
    const again = (): Promise<ProbeResult> =>
      prober.probe(target, { timeoutMs: 5_000, slowMs: 30_000, signal: new AbortController().signal });
    expect(await again()).toMatchObject({ state: 'up' });
    await sleep(600);
    appendFileSync(path, Buffer.alloc(1024 ** 2));
    expect(await again()).toMatchObject({ state: 'degraded', message: expect.stringContaining('grows by') });
    await sleep(600);
    rmSync(path);
    writeFileSync(path, 'rotated\n');
    expect(await again()).toMatchObject({ state: 'up' });
    await sleep(600);
    writeFileSync(path, Buffer.alloc(2.5 * 1024 ** 2));
    expect(await again()).toMatchObject({ state: 'degraded', message: expect.stringContaining('at most 2 MB') });
    writeFileSync(path, 'short\n');
    utimesSync(path, new Date(Date.now() - 7_200_000), new Date(Date.now() - 7_200_000));
    await sleep(600);
    expect(await again()).toMatchObject({ state: 'degraded', message: expect.stringContaining('nothing was written') });
    appendFileSync(path, 'alive\n');
    await sleep(600);
    expect(await again()).toMatchObject({ state: 'up' });
  });
});

const children: ChildProcess[] = [];
afterAll(() => {
  for (const child of children) child.kill('SIGKILL');
});
function start(argument: string): ChildProcess {
  const child = spawn('/bin/sh', ['-c', 'while :; do sleep 1; done', argument], { stdio: 'ignore' });
  children.push(child);
  return child;
}
async function stateOf(child: ChildProcess, state: RegExp): Promise<void> {
  await vi.waitFor(() => expect(readFileSync(`/proc/${child.pid}/stat`, 'utf8')).toMatch(state), 5_000);
}

describe('processes, as of a service of three', () => {
  const tag = `stw-${process.pid}`;
  const check = {
    kind: 'processes',
    members: ['web', 'worker', 'beat'].map((name) => ({ name, argvContains: `${tag}-${name}`, max: 2 })),
  };
  /** The list of processes is a second old at most. */
  const later = async (more: object = {}): Promise<ProbeResult> => {
    await sleep(1_100);
    return await look({ ...check, ...more });
  };

  it('runs with all its parts, is down or degraded without one, frozen with one stopped, too many with three, and recovers', async () => {
    const [web, worker] = ['web', 'worker', 'beat'].map((name) => start(`${tag}-${name}`)) as [
      ChildProcess,
      ChildProcess,
    ];
    expect(await later()).toMatchObject({ state: 'up', message: '3 of 3 parts run, 3 processes' });
    web.kill('SIGSTOP');
    await stateOf(web, /\) T /);
    expect(await later()).toMatchObject({
      state: 'down',
      problem: 'process.frozen',
      message: expect.stringContaining('web is stopped'),
    });
    web.kill('SIGCONT');
    worker.kill('SIGKILL');
    const down = await later();
    expect(down).toMatchObject({
      state: 'down',
      message: '2 of 3 parts run: worker is missing',
      detail: { worker: 'missing: none' },
    });
    expect(down.problem).toBeUndefined();
    expect(await later({ need: 'any' })).toMatchObject({ state: 'degraded' });
    start(`${tag}-worker`);
    expect(await later()).toMatchObject({ state: 'up' });
    start(`${tag}-beat`);
    start(`${tag}-beat`);
    expect(await later()).toMatchObject({
      state: 'degraded',
      message: expect.stringContaining('beat has 3 processes'),
    });
  });
});

describe('process', () => {
  it('is down once it is gone, frozen while it is stopped, and up again', async () => {
    const child = start(`stw-one-${process.pid}`);
    const check = { kind: 'process', pid: child.pid };
    expect(await look(check)).toMatchObject({ state: 'up' });
    child.kill('SIGSTOP');
    await stateOf(child, /\) T /);
    expect(await look(check)).toMatchObject({ state: 'down', problem: 'process.frozen' });
    child.kill('SIGCONT');
    await stateOf(child, /\) [SR] /);
    expect(await look(check)).toMatchObject({ state: 'up' });
    child.kill('SIGKILL');
    await vi.waitFor(async () => expect(await look(check)).toMatchObject({ state: 'down' }), 5_000);
  });
});

describe('sqlite', () => {
  /** A process of its own that holds a lock until its input ends: locks of one process do not show in /proc as another's. */
  async function lock(path: string, begin: string): Promise<{ pid: number; release(): Promise<void> }> {
    const script = `const { DatabaseSync } = require('node:sqlite'); const db = new DatabaseSync(process.argv[1]); db.exec(process.argv[2]); console.log('held'); process.stdin.on('end', () => { db.exec('commit'); process.exit(); }).resume();`;
    const child = spawn(process.execPath, ['-e', script, path, begin], { stdio: ['pipe', 'pipe', 'inherit'] });
    children.push(child);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    return {
      pid: child.pid ?? 0,
      release: () =>
        new Promise((resolve) => {
          child.once('exit', () => resolve());
          child.stdin.end();
        }),
    };
  }
  const fingerprint = (path: string): unknown => {
    const { mtimeMs, size } = statSync(path);
    return [
      mtimeMs,
      size,
      readFileSync(path).toString('base64'),
      readdirSync(folder.path)
        .filter((name) => name.startsWith('app-'))
        .toSorted(),
    ];
  };

  it.each([
    ['delete', 'begin immediate; insert into t values (2)'],
    ['delete', 'begin exclusive'],
    ['wal', 'begin immediate; insert into t values (2)'],
  ])(
    'in mode %s is locked by "%s" for too long, names who holds it, changes nothing, and recovers',
    async (mode, begin) => {
      const path = join(folder.path, `app-${mode}-${begin.length}.db`);
      const own = new DatabaseSync(path);
      own.exec(`pragma journal_mode = ${mode}; create table t (x); insert into t values (1)`);
      own.close();
      const target = CheckTarget.parse({ kind: 'sqlite', path, maxLockWait: '300ms' });
      const again = (): Promise<ProbeResult> =>
        prober.probe(target, { timeoutMs: 5_000, slowMs: 30_000, signal: new AbortController().signal });
      const before = fingerprint(path);
      expect(await again()).toMatchObject({ state: 'up', depth: 'query' });
      expect(fingerprint(path)).toEqual(before);
      const held = await lock(path, begin);
      expect(await again()).toMatchObject({ state: 'up' });
      await sleep(350);
      expect(await again()).toMatchObject({
        state: 'degraded',
        problem: 'database.locked',
        message: expect.stringContaining(`pid ${held.pid}`),
      });
      await held.release();
      expect(await again()).toMatchObject({ state: 'up' });
      expect(existsSync(path)).toBe(true);
    },
  );

  it('is down where the file is gone or is none', async () => {
    const path = join(folder.path, 'not.db');
    expect(await look({ kind: 'sqlite', path })).toMatchObject({ state: 'down' });
    writeFileSync(path, 'this is a text and no database, however long it may be made to be'.repeat(20));
    expect(await look({ kind: 'sqlite', path })).toMatchObject({
      state: 'down',
      message: expect.stringContaining('no SQLite database'),
    });
  });
});
