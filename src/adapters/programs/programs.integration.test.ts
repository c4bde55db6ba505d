import { defined } from '../../testing/defined.ts';
import { spawn } from 'node:child_process';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import { identityOf, isAlive } from '../procfs/identity.ts';
import { readProc } from '../procfs/read.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { groupMembers } from './group.ts';
import { createPrograms } from './index.ts';
import { programsContract } from './programs.contract.ts';

const environment = { PATH: process.env['PATH'], SECRET: 'not for children', LANG: 'C.UTF-8' };
const programs = createPrograms({ environment });
const sh = (script: string, ...args: string[]) => ({ program: 'sh', args: ['-c', script, 'sh', ...args] });

const world = {
  prints: (text: string, to: 'stdout' | 'stderr', exitCode: number) =>
    sh(`printf %s "$1" ${to === 'stderr' ? '>&2' : ''}; exit ${exitCode}`, text),
  echoes: () => ({ program: 'cat', args: [] }),
  hangs: () => ({ program: 'sleep', args: ['1000'] }),
  async close() {},
};

programsContract('programs of this machine', async () => ({ ...world, programs }));
programsContract('programs on record', async () => ({ ...world, programs: programs.recorded(async () => {}) }));

describe('a program', () => {
  it('inherits the variables of the allow-list and what the request adds, nothing else', async () => {
    const { stdout } = await programs.run({ program: 'env', args: [], env: { EXTRA: '1' }, timeoutMs: 5000 });

    expect(stdout.trim().split('\n').toSorted()).toEqual([`EXTRA=1`, 'LANG=C.UTF-8', `PATH=${environment.PATH}`]);
  });

  it('is given its arguments as they are', async () => {
    const args = ['$(id)', '`id`', '"; exit 9; "', "'", '', 'two words', '-n', '*'];
    for (const port of [programs, programs.recorded(async () => {})]) {
      const { stdout } = await port.run({
        ...sh('for a in "$@"; do printf "%s|" "$a"; done', ...args),
        timeoutMs: 5000,
      });
      expect(stdout).toBe(args.map((arg) => `${arg}|`).join(''));
    }
  });

  it('is ended with everything that it started, also where that ignores SIGTERM', async () => {
    await using folder = await tempFolder();
    const file = join(folder.path, 'pids');
    const script =
      'trap "" TERM; (trap "" TERM; echo $$ > "$1"; while :; do sleep 1; done) & wait; while :; do sleep 1; done';

    await expect(programs.run({ ...sh(script, file), timeoutMs: 300 })).rejects.toMatchObject({ code: 'TIMEOUT' });

    expect(groupMembers(Number(await readFile(file, 'utf8')))).toEqual([]);
  });

  it('does not wait for a descendant that keeps its output open, and ends it', async () => {
    const result = await programs.run({ ...sh('sleep 1000 & echo $$'), timeoutMs: 10_000 });

    expect(result.exitCode).toBe(0);
    await sleep(50);
    expect(groupMembers(Number(result.stdout))).toEqual([]);
  });

  it('tells by which signal it ended', async () => {
    expect(await programs.run({ ...sh('kill -SEGV $$'), timeoutMs: 5000 })).toMatchObject({
      exitCode: null,
      signal: 'SIGSEGV',
    });
  });

  it('is refused where its folder is not there, or the file may not be run', async () => {
    await using folder = await tempFolder();
    const file = join(folder.path, 'plain');
    await writeFile(file, 'text');
    await chmod(file, 0o644);

    await expect(
      programs.run({ program: 'true', args: [], cwd: '/nonexistent', timeoutMs: 5000 }),
    ).rejects.toMatchObject({ code: 'PROGRAM_FAILED' });
    await expect(programs.run({ program: file, args: [], timeoutMs: 5000 })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });
});

describe('a program on record', () => {
  it('has not started before it is on record, and is the very process that was recorded', async () => {
    await using folder = await tempFolder();
    const trace = join(folder.path, 'trace');
    let seen: ProcessIdentity | undefined;
    let early: string | undefined = 'not looked';
    const port = programs.recorded(async (child) => {
      seen = child;
      await sleep(100);
      early = readProc(trace);
    });

    const { stdout } = await port.run({
      ...sh('echo started > "$1"; echo $$; cut -d" " -f22 /proc/$$/stat', trace),
      timeoutMs: 5000,
    });

    expect(early).toBeUndefined();
    expect(stdout).toBe(`${defined(seen).pid}\n${defined(seen).startTicks}\n`);
  });

  it('never starts where it could not be recorded', async () => {
    await using folder = await tempFolder();
    const trace = join(folder.path, 'trace');
    let child: ProcessIdentity | undefined;
    const port = programs.recorded(async (identity) => {
      child = identity;
      throw new Error('the store is away');
    });

    await expect(port.run({ ...sh('echo started > "$1"', trace), timeoutMs: 5000 })).rejects.toThrow(
      'the store is away',
    );

    while (isAlive(defined(child))) await sleep(10);
    expect(readProc(trace)).toBeUndefined();
  });

  it('never starts where Steward dies at the gate', async () => {
    await using folder = await tempFolder();
    const trace = join(folder.path, 'trace');
    const note = join(folder.path, 'pid');
    // A Steward that is ended between the start of the child and its record.
    const steward = spawn(
      process.execPath,
      [
        '--input-type=module',
        '-e',
        `import { writeFileSync } from 'node:fs';
         const { createPrograms } = await import(${JSON.stringify(new URL('./index.ts', import.meta.url).href)});
         const port = createPrograms({ environment: process.env }).recorded(async (c) => { writeFileSync(${JSON.stringify(note)}, JSON.stringify(c)); await new Promise(() => {}); });
         setInterval(() => {}, 1000);
         await port.run({ program: 'touch', args: [${JSON.stringify(trace)}], timeoutMs: 60000 });`,
      ],
      { stdio: 'ignore' },
    );
    while (!readProc(note)) await sleep(20);
    const child = JSON.parse(defined(readProc(note))) as ProcessIdentity;
    expect(isAlive(child)).toBe(true);

    steward.kill('SIGKILL');

    while (isAlive(child)) await sleep(10);
    expect(readProc(trace)).toBeUndefined();
  });
});

describe('ending a recorded group', () => {
  /** A group whose parent knows nothing of it any more: what recovery finds. */
  async function orphan(script: string): Promise<{ child: ProcessIdentity; ended: Promise<unknown> }> {
    let recorded: (child: ProcessIdentity) => void;
    const identity = new Promise<ProcessIdentity>((resolve) => {
      recorded = resolve;
    });
    const ended = programs
      .recorded(async (child) => recorded(child))
      .run({ ...sh(script), timeoutMs: 60_000 })
      .catch(() => {});
    const child = await identity;
    await sleep(200);
    return { child, ended };
  }

  it('ends the leader and what it started', async () => {
    const { child, ended } = await orphan('sleep 1000 & sleep 1000 & wait');
    expect(groupMembers(child.pid)).toHaveLength(3);

    expect(await programs.endGroup(child)).toBe(true);

    await ended;
    expect(groupMembers(child.pid)).toEqual([]);
    expect(await programs.endGroup(child)).toBe(false);
  });

  it('ends what is left where the leader is gone', async () => {
    const { child } = await orphan('exec >&- 2>&-; (trap "" HUP; exec sleep 1000 >/dev/null 2>&1 <&-) & exit 0');
    expect(identityOf(child.pid)).toBeUndefined();
    expect(groupMembers(child.pid)).toHaveLength(1);

    expect(await programs.endGroup(child)).toBe(true);

    expect(groupMembers(child.pid)).toEqual([]);
  });

  it('leaves a process alone that has the number now, of this boot or another', async () => {
    const { child, ended } = await orphan('exec sleep 1000');

    expect(await programs.endGroup({ ...child, startTicks: child.startTicks - 1 })).toBe(false);
    expect(await programs.endGroup({ ...child, bootId: 'before' })).toBe(false);
    expect(isAlive(child)).toBe(true);

    await programs.endGroup(child);
    await ended;
  });

  it('leaves members alone that do not carry the mark, where the leader is gone', async () => {
    // A group of the same number that is nobody's child of ours.
    const other = spawn('sh', ['-c', '(exec sleep 1000) & echo; sleep 0.1'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    const identity = defined(identityOf(defined(other.pid)));
    await new Promise((resolve) => other.once('exit', resolve));
    expect(groupMembers(defined(other.pid))).toHaveLength(1);

    expect(await programs.endGroup(identity)).toBe(false);

    expect(groupMembers(defined(other.pid))).toHaveLength(1);
    process.kill(-defined(other.pid), 'SIGKILL');
  });
});
