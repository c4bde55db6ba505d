import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { memoryLog } from '../testing/log.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { createChildren } from './children.ts';
import { DEFAULT_SETTINGS } from './engine-deps.ts';
import { createExecutions } from './executions.ts';
import { createNodes, type Nodes } from './nodes.ts';
import { persistence } from './persist.ts';
import { type EngineTables, engineMigrations } from './tables.ts';
import { operator } from '../testing/engine.ts';

describe('nodes', () => {
  let database: TestDatabase;
  let clock = Date.parse('2026-05-05T00:00:00Z');
  const now = () => new Date(clock);
  const lost: string[] = [];
  const node = (id: string): Nodes =>
    createNodes({
      store: database.store,
      log: memoryLog(),
      now,
      node: { id, name: `${id}.local`, version: '1' },
      limits: DEFAULT_SETTINGS,
      onLost: async (gone) => void lost.push(`${id} lost ${gone}`),
    });
  const events = async () =>
    (await database.store.events.read({ types: ['node.joined', 'node.lost', 'node.returned'] })).map(
      ({ type, subject }) => `${type} ${subject?.id}`,
    );

  beforeAll(async () => {
    database = await testDatabase({ migrations: engineMigrations });
  }, 60_000);
  afterAll(() => database?.drop());

  it('that are silent are declared lost once, and return', async () => {
    const [one, two, three] = [node('one'), node('two'), node('three')];
    for (const each of [one, two, three]) await each.join();
    // Everybody gets a grace after joining.
    clock += 20_000;
    await three.beat();
    await one.beat();
    expect(lost).toEqual(['three lost one', 'three lost two']);
    // Still known to whoever looks later, should the one that declared it have died before it did anything about it.
    expect(await three.lost()).toEqual(['two']);
    clock += 1_000;
    await three.beat();
    expect(lost).toHaveLength(2);
    await two.beat();
    // Events are seen once nothing older is under way, and this server serves other tests too.
    await expect
      .poll(events, { timeout: 10_000 })
      .toEqual([
        'node.joined one',
        'node.joined two',
        'node.joined three',
        'node.lost one',
        'node.lost two',
        'node.returned one',
        'node.returned two',
      ]);
    await two.leave();
    clock += 60_000;
    await one.beat();
    expect((await one.list()).map(({ id, state }) => `${id} ${state}`)).toEqual([
      'one alive',
      'three lost',
      'two left',
    ]);
  });

  it('are found by id and by name', async () => {
    const one = node('one');
    expect([await one.idOf('two'), await one.idOf('three.local'), await one.idOf('nobody')]).toEqual([
      'two',
      'three',
      'one',
    ]);
    await expect(one.beatFor('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('hand their workflows on when they are lost', async () => {
    const workflow = {
      name: 'w',
      version: 1,
      title: 'w',
      summary: 'w',
      priority: 'P3',
      ifMissed: '',
      origin: 'user',
      triggers: [],
      steps: [],
    } as const;
    const dead = createExecutions({ store: database.store, now, nodeId: 'dead' });
    const heir = createExecutions({ store: database.store, now, nodeId: 'heir' });
    const { execution } = await dead.insert({ workflow, context: {}, trigger: 'api', actor: operator });
    expect(await heir.runningHere()).toEqual([]);
    expect(await heir.takeOver('dead')).toEqual([execution.id]);
    expect((await heir.runningHere()).map(({ id }) => id)).toEqual([execution.id]);
    expect(await heir.takeOver('dead')).toEqual([]);
  });
});

describe('children of runs', () => {
  it('that a dead Steward left are ended once, and those that ended are forgotten', async () => {
    const database = await testDatabase({ migrations: engineMigrations });
    const killed: number[] = [];
    const log = memoryLog();
    const children = createChildren({
      db: database.store.db.withTables<EngineTables>(),
      nodeId: 'a',
      now: () => new Date(),
      log,
      persist: persistence(log, new AbortController().signal),
      killGroup: async ({ pid }) => killed.push(pid) > 0,
    });
    const identity = (pid: number) => ({ pid, startTicks: 7, bootId: 'boot' });
    const scope = children.scope('run_1');
    await scope.recordChild(identity(11), 'pg_dump');
    await scope.recordChild(identity(12), 'tar');
    await children.scope('run_2').recordChild(identity(13), 'tar');
    await scope.childEnded(identity(12));
    expect(await children.endLeftovers('run_1')).toBe(1);
    expect(await children.endLeftovers()).toBe(1);
    expect(await children.endLeftovers()).toBe(0);
    expect(killed).toEqual([11, 13]);
    await database.drop();
  });
});
