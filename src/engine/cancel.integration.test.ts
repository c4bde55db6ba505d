import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createPrograms, type Programs } from '../adapters/programs/index.ts';
import { readProc } from '../adapters/procfs/read.ts';
import { readStat } from '../adapters/procfs/stat.ts';
import { type Context, defineAutomation } from '../core/automation.ts';
import type { Run } from '../core/run.ts';
import { testDatabase, type TestDatabase } from '../testing/database.ts';
import { engineOn, operator, scratch } from '../testing/engine.ts';
import { tempFolder } from '../testing/world/temp-folder.ts';
import type { RunScope } from './children.ts';
import type { Engine } from './index.ts';
import { engineMigrations } from './tables.ts';

/** What is begun in the phase that the test is about; each writes the ids of its processes into the file $1. */
const MANNERS = {
  /** Ends when it is asked to. */
  obedient: 'echo $$ >> "$1"; exec sleep 1000',
  /** Ignores SIGTERM, and so does the process that it starts in its group. */
  stubborn:
    'trap "" TERM; sh -c \'trap "" TERM; echo $$ >> "$1"; while :; do sleep 1; done\' sh "$1" & echo $$ >> "$1"; while :; do sleep 1; done',
  /** Starts a daemon: a session of its own, no parent any more, deaf to SIGTERM. */
  daemonizing:
    'echo $$ >> "$1"; (setsid sh -c \'trap "" TERM; echo $$ >> "$1"; while :; do sleep 1; done\' sh "$1" >/dev/null 2>&1 </dev/null &); exec sleep 1000',
  /** Leaves its session and hides its environment, but still is a child. */
  hidden:
    'echo $$ >> "$1"; env -i setsid sh -c \'trap "" TERM; echo $$ >> "$1"; while :; do sleep 1; done\' sh "$1" & exec sleep 1000',
  /** Takes memory until somebody ends it. */
  hungry: `echo $$ >> "$1"; exec '${process.execPath}' -e 'const kept = []; setInterval(() => kept.push(Buffer.alloc(16 << 20, 1)), 20)'`,
} as const;
type Manner = keyof typeof MANNERS;

const PHASES = ['analyze', 'validate', 'plan', 'execute', 'verify', 'rollback'] as const;

const Input = z.object({
  file: z.string(),
  /** Where a program is started that does not come back by itself. */
  hangs: z.enum(PHASES).optional(),
  manner: z.enum(Object.keys(MANNERS) as [Manner, ...Manner[]]).default('stubborn'),
  seconds: z.number().default(0),
  fails: z.boolean().default(false),
});
type Ctx = Context<z.output<typeof Input>, 'programs'>;

const undoing = (ctx: Ctx): string => join(ctx.input.file, '../undoing');

/** Starts the program where it is its turn. Its request says nothing of a signal: no author can forget it. */
async function maybeHang(ctx: Ctx, phase: (typeof PHASES)[number], script = MANNERS[ctx.input.manner]): Promise<void> {
  if (ctx.input.hangs !== phase) return;
  await ctx.ports.programs.run({
    // By a name that looks, so that phases which may only look can start it.
    program: 'du',
    reads: true,
    args: ['-c', script, 'sh', `${ctx.input.file}.pids`],
    timeoutMs: 600_000,
  });
}

const threeChanges = defineAutomation({
  name: 'three-changes',
  version: 1,
  title: 'Three changes',
  summary: 'Makes three changes, and starts a program where it is told to.',
  category: 'maintenance',
  priority: 'P3',
  ifMissed: 'Nothing.',
  effect: 'write',
  load: 'light',
  needs: ['programs'],
  input: Input,
  output: z.object({ done: z.number() }),
  examples: [],
  safeguards: { timeout: '10m', retry: { attempts: 3, backoff: '10ms' } },
  async analyze(ctx) {
    await maybeHang(ctx, 'analyze');
    return { seen: true };
  },
  async validate(ctx) {
    await maybeHang(ctx, 'validate');
    return [];
  },
  async plan(ctx) {
    await maybeHang(ctx, 'plan');
    return ['one', 'two', 'three'].map((id) => ({ id, title: `change ${id}`, undo: 'automatic' as const }));
  },
  async execute(ctx, change) {
    await appendFile(ctx.input.file, `begin ${change.id}\n`);
    if (change.id === 'two') {
      await maybeHang(ctx, 'execute');
      if (ctx.input.seconds > 0)
        await ctx.ports.programs.run({ program: 'sleep', args: [String(ctx.input.seconds)], timeoutMs: 60_000 });
      if (ctx.input.fails) throw new Error('change two cannot be made');
    }
    await appendFile(ctx.input.file, `end ${change.id}\n`);
    return { done: true };
  },
  async verify(ctx) {
    await maybeHang(ctx, 'verify');
    return [{ name: 'all is well', ok: true }];
  },
  record: ({ applied }) => ({ done: applied.length }),
  async rollback(ctx, change) {
    await appendFile(undoing(ctx), `${change.id}\n`);
    if (change.id === 'two') await maybeHang(ctx, 'rollback');
    await appendFile(ctx.input.file, `undo ${change.id}\n`);
  },
});

let database: TestDatabase;
let engine: Engine;
let folder: Awaited<ReturnType<typeof tempFolder>>;
let programs: Programs;
const ports = (scope: RunScope) => ({
  programs: programs.recorded((child) => scope.recordChild(child, 'program'), {
    onEnd: (child) => scope.childEnded(child),
    signal: scope.signal,
    background: scope.background,
  }),
});

async function engineWith(settings: Parameters<typeof engineOn>[1] = {}): Promise<Engine> {
  const fixture = engineOn(database.store, {
    automations: [threeChanges],
    ports,
    killGroup: (identity) => programs.endGroup(identity),
    ...settings,
  });
  await fixture.engine.start();
  return fixture.engine;
}

/** The processes of a run, once so many have begun. */
async function begun(file: string, count: number): Promise<number[]> {
  const read = (): number[] => (readProc(`${file}.pids`) ?? '').split('\n').filter(Boolean).map(Number);
  await expect.poll(() => read().length, { timeout: 20_000, interval: 20 }).toBe(count);
  return read();
}

const alive = (pids: readonly number[]): number[] =>
  pids.filter((pid) => !['Z', 'X', undefined].includes(readStat(pid)?.state));

async function ended(id: string): Promise<Run> {
  let run: Run | undefined;
  await expect
    .poll(async () => (run = await engine.service.get(id))?.finishedAt, { timeout: 30_000, interval: 50 })
    .toBeDefined();
  return run as Run;
}

/** No lock held, no child on record. */
async function nothingLeft(): Promise<void> {
  const { rows: children } = await database.store.pool.query('select * from run_children');
  expect(children).toEqual([]);
  const held = async (): Promise<unknown[]> =>
    (
      await database.store.pool.query(
        `select * from engine_locks where holder <> '' and expires_at > clock_timestamp()`,
      )
    ).rows;
  await expect.poll(held, { timeout: 5_000 }).toEqual([]);
}

const start = async (input: z.input<typeof Input>): Promise<string> =>
  (await engine.service.start({ automation: 'three-changes', input, trigger: 'cli', actor: operator })).id;

const cancel = (id: string) => engine.service.cancel(id, { actor: operator, reason: 'enough' });

const UNDONE: Partial<Record<(typeof PHASES)[number], string[]>> = {
  execute: ['begin one', 'end one', 'begin two', 'undo two', 'undo one'],
  verify: [
    'begin one',
    'end one',
    'begin two',
    'end two',
    'begin three',
    'end three',
    'undo three',
    'undo two',
    'undo one',
  ],
};

beforeAll(async () => {
  folder = await tempFolder();
  await writeFile(join(folder.path, 'du'), '#!/bin/sh\nexec sh "$@"\n', { mode: 0o755 });
  programs = createPrograms({
    environment: { PATH: `${folder.path}:${process.env['PATH']}` },
    memory: () => ({ perProgram: 200 * 1024 ** 2, keepFree: 1 }),
  });
  database = await testDatabase({ migrations: engineMigrations });
}, 60_000);
afterAll(async () => {
  await database?.drop();
  await folder?.[Symbol.asyncDispose]();
});

describe('a cancel', () => {
  beforeAll(async () => {
    engine = await engineWith();
  }, 60_000);
  afterAll(() => engine?.stop());

  it.each(['analyze', 'validate', 'plan', 'execute', 'verify'] as const)(
    'ends what runs in %s within five seconds though it ignores SIGTERM, and takes back what was done',
    async (hangs) => {
      const place = await scratch();
      const id = await start({ file: place.file, hangs });
      const pids = await begun(place.file, 2);
      await cancel(id);
      await expect.poll(() => alive(pids), { timeout: 5_000, interval: 20 }).toEqual([]);

      const run = await ended(id);
      expect(run).toMatchObject({
        status: 'canceled',
        error: { code: 'CANCELED', message: 'Canceled by olga: enough' },
      });
      expect(await place.lines()).toEqual(UNDONE[hangs] ?? []);
      await nothingLeft();
      await place.remove();
    },
    60_000,
  );

  it.each([
    ['obedient', 1],
    ['daemonizing', 2],
    ['hidden', 2],
  ] as const)(
    'ends one that is %s',
    async (manner, count) => {
      const place = await scratch();
      const id = await start({ file: place.file, hangs: 'execute', manner });
      const pids = await begun(place.file, count);
      await cancel(id);
      await expect.poll(() => alive(pids), { timeout: 5_000, interval: 20 }).toEqual([]);
      expect(await ended(id)).toMatchObject({ status: 'canceled' });
      expect(await place.lines()).toEqual(UNDONE.execute);
      await nothingLeft();
      await place.remove();
    },
    60_000,
  );

  it('does not stop a rollback: what was done is taken back to the end, and the run is what it failed of', async () => {
    const place = await scratch();
    const id = await start({ file: place.file, fails: true, hangs: 'rollback', manner: 'obedient' });
    const [child] = await begun(place.file, 1);
    await cancel(id);
    // It has heard of it, and goes on.
    await expect.poll(async () => (await engine.service.get(id))?.status, { timeout: 5_000 }).toBe('rolling-back');
    expect(alive([child ?? 0])).toEqual([child]);
    process.kill(child ?? 0, 'SIGTERM');
    expect(await ended(id)).toMatchObject({ status: 'rolled-back', error: { message: 'change two cannot be made' } });
    expect(await place.lines()).toEqual(['begin one', 'end one', 'begin two', 'undo two', 'undo one']);
    await nothingLeft();
    await place.remove();
  }, 60_000);
});

describe('a program that takes more memory than it may', () => {
  beforeAll(async () => {
    engine = await engineWith();
  }, 60_000);
  afterAll(() => engine?.stop());

  it('is ended, and its run takes back what it did and names it', async () => {
    const place = await scratch();
    const id = await start({ file: place.file, hangs: 'execute', manner: 'hungry' });
    const run = await ended(id);
    expect(run).toMatchObject({ status: 'rolled-back', error: { code: 'TOO_LARGE' } });
    expect(run.error?.message).toMatch(/^du used \d+ MB of memory; the cap of a program is 200 MB, so it was ended\.$/);
    expect(alive(await begun(place.file, 1))).toEqual([]);
    expect(await place.lines()).toEqual(UNDONE.execute);
    await nothingLeft();
    await place.remove();
  }, 60_000);
});

describe('a deadline', () => {
  const two = { template: 2_000, default: 2_000, verification: 2_000, long: 2_000 };
  beforeAll(async () => {
    engine = await engineWith({ settings: { run: two, rollbackMs: 2_000 } });
  }, 60_000);
  afterAll(() => engine?.stop());

  it.each(['analyze', 'plan', 'execute', 'verify'] as const)(
    'ends what runs in %s, takes back what was done, and says which limit it was',
    async (hangs) => {
      const place = await scratch();
      const id = await start({ file: place.file, hangs });
      const pids = await begun(place.file, 2);
      // The limit itself, and five seconds from then on.
      await expect.poll(() => alive(pids), { timeout: 7_000, interval: 20 }).toEqual([]);
      const run = await ended(id);
      expect(run).toMatchObject({ status: UNDONE[hangs] ? 'rolled-back' : 'failed', error: { code: 'TIMEOUT' } });
      expect(run.error?.message).toBe(
        `${UNDONE[hangs] ? 'Applying' : 'Planning'} run ${id} took longer than 2s: the limit 'default' of three-changes.`,
      );
      expect(await place.lines()).toEqual(UNDONE[hangs] ?? []);
      await nothingLeft();
      await place.remove();
    },
    60_000,
  );

  it('ends a rollback that hangs, too, and the run says what could not be put back', async () => {
    const place = await scratch();
    const id = await start({ file: place.file, fails: true, hangs: 'rollback' });
    const pids = await begun(place.file, 2);
    await expect.poll(() => alive(pids), { timeout: 7_000, interval: 20 }).toEqual([]);
    const run = await ended(id);
    expect(run).toMatchObject({ status: 'rollback-failed', error: { code: 'ROLLBACK_FAILED' } });
    expect(run.error?.message).toContain(
      `change two (Rolling back run ${id} took longer than 2s: the limit 'default' of three-changes.)`,
    );
    expect(run.error?.message).toContain('change one (Rolling back');
    await nothingLeft();
    await place.remove();
  }, 60_000);
});

describe('a deadline that is shorter than others work', () => {
  const LIMIT_MS = 5_000;
  const [RUNS, SECONDS] = [6, 1.1];
  beforeAll(async () => {
    const run = { template: LIMIT_MS, default: LIMIT_MS, verification: LIMIT_MS, long: LIMIT_MS };
    engine = await engineWith({ settings: { run } });
  }, 60_000);
  afterAll(() => engine?.stop());

  it('counts work, and not the time that a run waits for its turn', async () => {
    const places = await Promise.all(Array.from({ length: RUNS }, scratch));
    // One lock for all of them, so the last one is done after more than the limit.
    expect(RUNS * SECONDS * 1_000).toBeGreaterThan(LIMIT_MS);
    const ids = await Promise.all(places.map(({ file }) => start({ file, seconds: SECONDS })));
    for (const id of ids) expect(await ended(id)).toMatchObject({ status: 'succeeded' });
    for (const place of places) await place.remove();
  }, 90_000);
});
