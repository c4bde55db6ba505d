import { readFile } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { ProcessIdentity, ProgramRequest } from '../../core/ports/programs.ts';
import { StewardError } from '../../core/errors.ts';
import { defined } from '../../testing/defined.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { readProc } from '../procfs/read.ts';
import { readStat } from '../procfs/stat.ts';
import { createFamily, isRunning } from './family.ts';
import { groupMembers } from './group.ts';
import { createPrograms } from './index.ts';
import { createMemoryWatch } from './memory-watch.ts';

const MB = 1024 ** 2;
const environment = { PATH: process.env['PATH'] };
const programs = createPrograms({ environment });
const sh = (script: string, ...args: string[]) => ({ program: 'sh', args: ['-c', script, 'sh', ...args] });
/** Takes memory, page by page, until it has this much, and keeps it. */
const hoard = (megabytes: number) =>
  `const kept = []; for (let mb = 0; mb < ${megabytes}; mb += 8) kept.push(Buffer.alloc(8 * 1024 * 1024, 1)); setInterval(() => kept.length, 1000);`;
const hoarding = (megabytes: number): Pick<ProgramRequest, 'program' | 'args'> => ({
  program: process.execPath,
  args: ['-e', hoard(megabytes)],
});
const refusal = async (running: Promise<unknown>): Promise<StewardError> => {
  const thrown = await running.then(
    () => undefined,
    (error: unknown) => error,
  );
  return StewardError.from(defined(thrown));
};

async function runsStill(pid: number): Promise<boolean> {
  const stat = readStat(pid);
  return stat !== undefined && isRunning(stat);
}

/** Gives what a program writes into a file, once it is there. */
async function written(file: string): Promise<number> {
  await expect.poll(() => Number(readProc(file)?.trim() ?? ''), { timeout: 5_000 }).toBeGreaterThan(1);
  return Number(await readFile(file, 'utf8'));
}

describe('the memory of a program', () => {
  it('is capped: one that takes more is ended, and the error names it, what it had and the cap', async () => {
    const error = await refusal(programs.run({ ...hoarding(2_000), timeoutMs: 60_000, memoryLimit: 150 * MB }));

    expect(error.code).toBe('TOO_LARGE');
    expect(error.message).toMatch(/node used \d{3,4} MB of memory; the cap of a program is 150 MB/);
    expect(error.retryable).toBe(false);
  }, 30_000);

  it('counts what it started, each for itself below the cap', async () => {
    const script = `"$1" -e "$2" & "$1" -e "$2" & "$1" -e "$2" & wait`;
    const error = await refusal(
      programs.run({ ...sh(script, process.execPath, hoard(64)), timeoutMs: 60_000, memoryLimit: 200 * MB }),
    );
    expect(error).toMatchObject({ code: 'TOO_LARGE' });
    expect(error.message).toMatch(/^sh used/);
  }, 30_000);

  it('comes from the configuration where the request says nothing', async () => {
    const small = createPrograms({ environment, memory: () => ({ perProgram: 100 * MB, keepFree: 1 }) });
    expect(await refusal(small.run({ ...hoarding(500), timeoutMs: 60_000 }))).toMatchObject({ code: 'TOO_LARGE' });
    // With enough of its own the same program is let be.
    expect(
      await small.run({ program: process.execPath, args: ['-e', ''], timeoutMs: 30_000, memoryLimit: 400 * MB }),
    ).toMatchObject({ exitCode: 0 });
  }, 60_000);

  it('is shared: where all together leave the machine too little, the largest is ended and the others go on', async () => {
    const machine = { totalBytes: 1_000 * MB, availableBytes: 500 * MB };
    const watch = createMemoryWatch({
      limits: () => ({ perProgram: 1_000 * MB, keepFree: 64 * MB }),
      machine: () => machine,
      everyMs: 50,
    });
    const ended: [string, StewardError][] = [];
    const small = programs.recorded(async (child) => {
      watch.add({
        family: createFamily(child.pid),
        program: 'small',
        limit: 1_000 * MB,
        end: (e) => ended.push(['small', e]),
      });
    });
    const large = programs.recorded(async (child) => {
      watch.add({
        family: createFamily(child.pid),
        program: 'large',
        limit: 1_000 * MB,
        end: (e) => ended.push(['large', e]),
      });
    });
    const stop = new AbortController();
    const request = { timeoutMs: 60_000, signal: stop.signal };
    const running = [small.run({ ...hoarding(8), ...request }), large.run({ ...hoarding(150), ...request })];
    await sleep(1_000);
    expect(ended).toEqual([]);

    machine.availableBytes = 30 * MB;
    await expect.poll(() => ended.length, { timeout: 5_000 }).toBeGreaterThan(0);
    machine.availableBytes = 500 * MB;
    await sleep(200);
    stop.abort();
    await Promise.allSettled(running);

    expect(ended.map(([name]) => name)).toEqual(['large']);
    expect(ended[0]?.[1]).toMatchObject({ code: 'BUDGET_EXHAUSTED' });
    expect(ended[0]?.[1].message).toMatch(/large was ended: .* only 30 MB left of the 64 MB that stay free/);
  }, 30_000);
});

describe('a program that a run starts', () => {
  it('is cut short by the signal of the run, also where its request knows none', async () => {
    const stop = new AbortController();
    const port = programs.recorded(async () => {}, { signal: stop.signal });
    const running = refusal(port.run({ ...sh('sleep 1000'), timeoutMs: 60_000 }));
    await sleep(100);
    stop.abort();
    expect(await running).toMatchObject({ code: 'CANCELED' });
    expect(await refusal(port.run({ ...sh('true'), timeoutMs: 5_000 }))).toMatchObject({ code: 'CANCELED' });
  });

  it('is told of when it has ended, however it ended', async () => {
    const told: string[] = [];
    const name = ({ pid, startTicks }: ProcessIdentity): string => `${pid}.${startTicks}`;
    const port = programs.recorded(async (child) => void told.push(`began ${name(child)}`), {
      onEnd: async (child) => void told.push(`ended ${name(child)}`),
    });
    await port.run({ ...sh('true'), timeoutMs: 5_000 });
    await refusal(port.run({ ...sh('sleep 1000'), timeoutMs: 100 }));
    expect(told).toHaveLength(4);
    expect(told.map((one) => one.replace('began', 'ended')).filter((one, at, all) => all.indexOf(one) === at)).toEqual(
      told.filter((one) => one.startsWith('ended')),
    );
  });

  it('stands behind what else wants the CPU, where it is work in the background', async () => {
    const niceness = async (background: boolean): Promise<string> => {
      const port = programs.recorded(async () => {}, { background });
      return (await port.run({ program: 'nice', args: [], timeoutMs: 5_000 })).stdout.trim();
    };
    const own = getPriority();
    expect(await niceness(false)).toBe(String(own));
    expect(await niceness(true)).toBe('10');
  });
});

describe('a program that is cut short', () => {
  it('is ended with what it put into a session of its own, while it still is the parent of that', async () => {
    await using folder = await tempFolder();
    const file = join(folder.path, 'pid');
    // Clears its environment, so that only its parent gives it away.
    const script = `env -i setsid sh -c 'echo $$ > "$1"; trap "" TERM; while :; do sleep 1; done' sh "$1" & wait; sleep 1000`;
    const stop = new AbortController();
    const running = refusal(programs.run({ ...sh(script, file), timeoutMs: 60_000, signal: stop.signal }));
    const escaped = await written(file);
    await sleep(400);
    expect(groupMembers(escaped)).not.toHaveLength(0);

    stop.abort();
    expect(await running).toMatchObject({ code: 'CANCELED' });
    await expect.poll(() => runsStill(escaped)).toBe(false);
    expect(groupMembers(escaped)).toEqual([]);
  }, 15_000);

  it('is ended with a daemon that left its session and its parent, by its mark', async () => {
    await using folder = await tempFolder();
    const file = join(folder.path, 'pid');
    const script = `(setsid sh -c 'echo $$ > "$1"; exec sleep 1000' sh "$1" >/dev/null 2>&1 </dev/null &) ; exec sleep 1000`;
    const stop = new AbortController();
    const port = programs.recorded(async () => {}, { signal: stop.signal });
    const running = refusal(port.run({ ...sh(script, file), timeoutMs: 60_000 }));
    const escaped = await written(file);
    expect(readStat(escaped)?.parent).not.toBe(process.pid);

    stop.abort();
    expect(await running).toMatchObject({ code: 'CANCELED' });
    await expect.poll(() => runsStill(escaped)).toBe(false);
  }, 15_000);

  it('is ended with its daemon also by a Steward that finds it on record', async () => {
    await using folder = await tempFolder();
    const file = join(folder.path, 'pid');
    const script = `(setsid sh -c 'echo $$ > "$1"; exec sleep 1000' sh "$1" >/dev/null 2>&1 </dev/null &) ; exec sleep 1000`;
    let child: ProcessIdentity | undefined;
    const port = programs.recorded(async (identity) => void (child = identity));
    const running = port.run({ ...sh(script, file), timeoutMs: 60_000 });
    const daemon = await written(file);

    expect(await programs.endGroup(defined(child))).toBe(true);
    expect(await running).toMatchObject({ signal: 'SIGKILL' });
    expect(await runsStill(daemon)).toBe(false);
  });

  it('leaves a daemon alone that a program started which ended by itself', async () => {
    await using folder = await tempFolder();
    const file = join(folder.path, 'pid');
    const script = `(setsid sh -c 'echo $$ > "$1"; exec sleep 1000' sh "$1" >/dev/null 2>&1 </dev/null &)`;
    let child: ProcessIdentity | undefined;
    const port = programs.recorded(async (identity) => void (child = identity));
    expect(await port.run({ ...sh(script, file), timeoutMs: 5_000 })).toMatchObject({ exitCode: 0 });
    const daemon = await written(file);

    expect(await programs.endGroup(defined(child))).toBe(false);
    expect(await runsStill(daemon)).toBe(true);
    process.kill(daemon, 'SIGKILL');
  });
});
