import { afterEach, beforeEach, expect, it } from 'vitest';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { type EngineOptions, type EngineProcess, startEngine } from '../testing/engine-process.ts';
import { scratch } from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

interface Row {
  readonly id: string;
  readonly status: string;
  readonly version: number;
  readonly node: string;
  readonly causation: { readonly runId?: string };
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

async function engine(node: string, more: Partial<EngineOptions> = {}): Promise<EngineProcess> {
  const one = startEngine({ databaseUrl: database.databaseUrl, node, ...more });
  processes.push(one);
  expect(await one.line()).toBe('ready');
  return one;
}
const rows = async (): Promise<Row[]> =>
  (await database.store.pool.query('select id, status, version, node, causation from runs order by id')).rows as Row[];
const row = async (id: string): Promise<Row | undefined> => (await rows()).find((one) => one.id === id);
async function becomes(id: string, status: string): Promise<void> {
  await expect.poll(async () => (await row(id))?.status, { timeout: 30_000 }).toBe(status);
}
/** The run that was planned in the place of a stale one. */
const successor = async (id: string): Promise<Row> => {
  let found: Row | undefined;
  await expect
    .poll(async () => (found = (await rows()).find(({ causation }) => causation.runId === id)), { timeout: 30_000 })
    .toBeDefined();
  return found as Row;
};
const ask = (automation: string, lines: readonly string[], more: object = {}) => {
  const { trigger, ...input } = more as { trigger?: string };
  return { start: { automation, ...(trigger && { trigger }), input: { file: place.file, lines, ...input } } };
};
const NEWER = { version: 2, more: 'extra' } as const;

it('nodes are replaced by ones of a later version one after the other, and nothing that waits or runs is broken', async () => {
  const one = await engine('one');
  const two = await engine('two');
  const waiting = await one.send(ask('append-lines', ['w'], { trigger: 'scaling' }));
  await becomes(waiting, 'waiting-approval');
  const running = await one.send(ask('append-lines', ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'], { pauseMs: 600 }));
  await becomes(running, 'running');
  const queued = await one.send(ask('append-lines', ['q']));

  expect(await one.kill('SIGTERM')).toBe(0);
  const newer = await engine('one', { ...NEWER, targets: 1, targetsOn: 'two' });

  // What ran is taken back where the plan is another by now, and done anew; what waited for its turn has the new plan.
  await becomes(running, 'rolled-back');
  const again = await successor(running);
  await becomes(again.id, 'succeeded');
  await becomes(queued, 'succeeded');
  // Somebody looked at a plan that is not made any more, and is asked again.
  await newer.send({ approve: waiting });
  await becomes(waiting, 'stale');
  const asked = await successor(waiting);
  await becomes(asked.id, 'waiting-approval');
  await newer.send({ approve: asked.id });
  await becomes(asked.id, 'succeeded');
  expect([again.version, asked.version]).toEqual([2, 2]);
  const lines = await place.lines();
  expect(lines.filter((line) => line.startsWith('end extra'))).toHaveLength(3);
  expect(lines.filter((line) => /^end [wq] /.test(line))).toHaveLength(2);

  // Beside one of the version before: it gets nothing that it does not know, and what only its machine can do waits for it.
  const free = await Promise.all(['x', 'y', 'z'].map((line) => newer.send(ask('append-anywhere', [line]))));
  for (const id of free) await becomes(id, 'succeeded');
  expect(new Set(await Promise.all(free.map(async (id) => (await row(id))?.node)))).toEqual(new Set(['one']));
  const bound = await newer.send(ask('append-lines', ['bound'], { target: 't0' }));
  const old = await two.send(ask('append-lines', ['old']));
  await becomes(old, 'succeeded');
  expect(await row(bound)).toMatchObject({ status: 'queued', node: 'two', version: 2 });

  expect(await two.kill('SIGTERM')).toBe(0);
  await engine('two', { ...NEWER, targets: 1 });
  await becomes(bound, 'succeeded');
  expect((await rows()).filter(({ status }) => !['succeeded', 'stale', 'rolled-back'].includes(status))).toEqual([]);
  for (const each of processes) expect(each.errors()).toBe('');
}, 120_000);
