import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemActor } from '../core/actor.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { type EngineProcess, startEngine } from '../testing/engine-process.ts';
import { scratch } from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

interface Execution {
  readonly id: string;
  readonly status: string;
  readonly phase: string;
  readonly node: string;
  readonly steps: readonly { readonly id: string; readonly status: string; readonly message?: string }[];
}

let database: TestDatabase;
let place: Awaited<ReturnType<typeof scratch>>;
const processes: EngineProcess[] = [];

beforeEach(async () => {
  database = await testDatabase({ migrations: engineMigrations });
  place = await scratch();
}, 60_000);
afterEach(async () => {
  for (const one of processes.splice(0)) if (one.child.exitCode === null) await one.kill('SIGKILL');
  await place.remove();
  await database.drop();
});

async function engine(node: string, targets = 0): Promise<EngineProcess> {
  const one = startEngine({ databaseUrl: database.databaseUrl, node, targets });
  processes.push(one);
  expect(await one.line()).toBe('ready');
  return one;
}
const execute = (one: EngineProcess, workflow: string, pauseMs = 0): Promise<string> =>
  one.send({ execute: { workflow, context: { file: place.file, pauseMs } } });
const rows = async (sql: string, values: unknown[] = []): Promise<Execution[]> =>
  (await database.store.pool.query(sql, values)).rows as Execution[];
const execution = async (id: string): Promise<Execution | undefined> =>
  (await rows('select * from workflow_executions where id = $1', [id]))[0];
async function becomes(id: string, status: string): Promise<Execution> {
  await expect.poll(async () => (await execution(id))?.status, { timeout: 40_000, interval: 100 }).toBe(status);
  return (await execution(id)) as Execution;
}
const until = async (line: string): Promise<void> =>
  await expect.poll(async () => await place.lines(), { timeout: 20_000, interval: 50 }).toContain(line);
/** How often each line came to its end: begun twice is what a kill does, done twice would be a fault. */
async function done(): Promise<Record<string, number>> {
  const ends = (await place.lines()).flatMap((line) => /^end (\S+) /.exec(line)?.[1] ?? []);
  return Object.fromEntries([...Map.groupBy(ends, (line) => line)].map(([line, all]) => [line, all.length]));
}
const tell = async (): Promise<void> => {
  await database.store.db.transaction().execute((trx) =>
    database.store.events.append(trx, {
      type: 'user.registered',
      data: { file: place.file },
      actor: systemActor('test'),
    }),
  );
};

describe('a chain whose process is killed', () => {
  it('runs its error branch, each step of it once, wherever it was killed', async () => {
    const first = await engine('one');
    const id = await execute(first, 'breaking-chain', 1_500);
    await until('begin fails 1');
    await first.kill('SIGKILL');
    const second = await engine('one');
    await until('begin clean 1');
    await second.kill('SIGKILL');
    await engine('one');
    expect(await becomes(id, 'failed')).toMatchObject({
      phase: 'error',
      steps: [{ status: 'succeeded' }, { status: 'failed' }, { status: 'succeeded' }, { status: 'succeeded' }],
    });
    expect(await done()).toEqual({ one: 1, clean: 1, told: 1 });
  }, 90_000);

  it('runs it on another node, where its own does not come back', async () => {
    const first = await engine('one');
    await engine('two');
    const id = await execute(first, 'breaking-chain', 1_500);
    await until('begin clean 1');
    await first.kill('SIGKILL');
    expect(await becomes(id, 'failed')).toMatchObject({ node: 'two' });
    expect(await done()).toEqual({ one: 1, clean: 1, told: 1 });
  }, 90_000);
});

describe('a chain that waits', () => {
  it('is in nobody’s hands, survives the kill of its node, and goes on where the event is heard, once', async () => {
    const first = await engine('one');
    const id = await execute(first, 'waiting-chain');
    await becomes(id, 'waiting');
    await first.kill('SIGKILL');
    // While nobody is there.
    await tell();
    await Promise.all([engine('two'), engine('three')]);
    await becomes(id, 'succeeded');
    expect(await done()).toEqual({ before: 1, after: 1 });
  }, 90_000);
});

describe('events that are collected until they are quiet', () => {
  it('start their workflow once, through a kill and with two nodes', async () => {
    const first = await engine('one');
    // Who was never there before begins with what comes from then on.
    const listens = `select consumer as id from event_cursors where consumer = 'workflows'`;
    await expect.poll(async () => (await rows(listens)).length, { timeout: 15_000 }).toBe(1);
    for (let times = 0; times < 3; times += 1) await tell();
    await expect
      .poll(async () => (await rows('select total from workflow_windows')) as unknown[], {
        timeout: 15_000,
        interval: 50,
      })
      .toEqual([{ total: 3 }]);
    await first.kill('SIGKILL');
    await Promise.all([engine('two'), engine('three')]);
    const started = (): Promise<Execution[]> =>
      rows(`select * from workflow_executions where workflow = 'quiet-chain'`);
    await expect.poll(async () => (await started())[0]?.status, { timeout: 20_000 }).toBe('succeeded');
    expect(await started()).toMatchObject([{ context: { event: { count: 3 } } }]);
    expect(await done()).toEqual({ quiet: 1 });
  }, 90_000);
});

describe('heavy work of a kind', () => {
  it('is done one after the other on a node, also after a kill, and holds up nothing light', async () => {
    const start = (one: EngineProcess, automation: string, line: string, target?: string): Promise<string> =>
      one.send({ start: { automation, input: { file: place.file, lines: [line], pauseMs: 1_500, target } } });
    const first = await engine('one', 2);
    await Promise.all([start(first, 'heavy-lines', 'dump', 't0'), start(first, 'heavy-lines', 'vacuum', 't1')]);
    await expect
      .poll(async () => await place.lines(), { timeout: 15_000 })
      .toContainEqual(expect.stringMatching(/^begin/));
    const waiting = `select progress->>'message' as id from runs where progress->>'message' like 'waits for heavy-lines (run_%'`;
    await expect.poll(async () => (await rows(waiting)).length, { timeout: 10_000 }).toBe(1);
    await first.kill('SIGKILL');
    const second = await engine('one', 2);
    await start(second, 'append-anywhere', 'light');
    await expect.poll(done, { timeout: 40_000 }).toEqual({ dump: 1, vacuum: 1, light: 1 });
    const heavy = (await place.lines())
      .filter((line) => / (dump|vacuum) /.test(line))
      .map((line) => line.split(' ')[1]);
    // Whatever was begun first comes to its end before the other begins.
    expect(new Set(heavy.slice(0, heavy.indexOf(heavy.at(-1)))).size).toBe(1);
  }, 90_000);
});
