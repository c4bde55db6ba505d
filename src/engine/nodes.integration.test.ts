import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { EventType } from '../core/event.ts';
import { memoryLog } from '../testing/log.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { createChildren } from './children.ts';
import { DEFAULT_SETTINGS, type EngineSettings } from './engine-deps.ts';
import { createExecutions } from './executions.ts';
import { createNodes, type Nodes, type NodesDeps } from './nodes.ts';
import { sessionName } from '../store/fence.ts';
import { TakenOver } from './ownership.ts';
import { persistence } from './persist.ts';
import { type EngineTables, engineMigrations } from './tables.ts';
import { operator } from '../testing/engine.ts';

/** As the shipped ones, twenty times faster. */
const QUICK: EngineSettings = { ...DEFAULT_SETTINGS, heartbeatMs: 100, lostAfterMs: 400 };
/** After it silence counts, on a machine that is not too busy to beat. */
const GRACE_MS = 2 * QUICK.lostAfterMs + 300;

describe('nodes', () => {
  let database: TestDatabase;
  const lost: string[] = [];
  const log = memoryLog();
  const node = (id: string, more: Partial<NodesDeps> = {}): Nodes =>
    createNodes({
      store: database.store,
      log,
      now: () => new Date(),
      node: { id, name: `${id}.local`, version: '1' },
      limits: QUICK,
      onLost: async (gone) => void lost.push(`${id} lost ${gone}`),
      ...more,
    });
  const events = async (...types: EventType[]) =>
    (await database.store.events.read({ types })).map(({ type, subject }) => `${type} ${subject?.id}`);
  const states = async (one: Nodes) => (await one.list()).map(({ id, state }) => `${id} ${state}`);
  /** Beats for a while, as the engine does. */
  const beating = async (ms: number, ...those: Nodes[]) => {
    for (const ends = performance.now() + ms; performance.now() < ends; await sleep(QUICK.heartbeatMs))
      for (const one of those) await one.beat();
  };
  const beatUntilLost = async (...those: Nodes[]) => {
    for (const ends = performance.now() + 15_000; lost.length === 0 && performance.now() < ends;)
      await beating(QUICK.heartbeatMs, ...those);
  };
  const ask = async (text: string) => await database.store.pool.query(text);

  beforeEach(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    lost.length = 0;
  }, 60_000);
  afterEach(() => database?.drop());

  it('that are silent are declared lost once, and return', async () => {
    const [one, two, three] = [node('one'), node('two'), node('three')];
    for (const each of [one, two, three]) await each.join();
    // Everybody gets a grace after joining.
    await beating(QUICK.lostAfterMs + 100, one, three);
    expect(lost).toEqual([]);
    await beatUntilLost(one, three);
    expect(lost).toEqual([expect.stringMatching(/^(one|three) lost two$/)]);
    // Still known to whoever looks later, should the one that declared it have died before it did anything about it.
    expect([await one.lost(), await three.lost()]).toEqual([['two'], ['two']]);
    await two.beat();
    expect(await states(one)).toEqual(['one alive', 'three alive', 'two alive']);
    await two.leave();
    await beating(GRACE_MS, one, three);
    expect(lost).toHaveLength(1);
    expect(await states(one)).toEqual(['one alive', 'three alive', 'two left']);
    // Events are seen once nothing older is under way, and this server serves other tests too.
    await expect
      .poll(() => events('node.joined', 'node.lost', 'node.returned', 'node.left'), { timeout: 10_000 })
      .toEqual([
        'node.joined one',
        'node.joined two',
        'node.joined three',
        'node.lost two',
        'node.returned two',
        'node.left two',
      ]);
  });

  it('that froze in the midst of a transaction hold nobody up: the others end their connections', async () => {
    const [one, two] = [node('one'), node('two')];
    for (const each of [one, two]) await each.join();
    const frozen = new pg.Client({ connectionString: database.databaseUrl, application_name: sessionName('two') });
    const ended = new Promise((done) => frozen.once('end', done));
    frozen.on('error', () => undefined);
    await frozen.connect();
    await frozen.query("begin; update nodes set labels = '{}' where id = 'two'; select pg_advisory_lock(7, 7)");

    await beatUntilLost(one);

    expect(lost).toEqual(['one lost two']);
    await ended;
    expect((await ask('select pg_try_advisory_lock(7, 7) as free')).rows).toEqual([{ free: true }]);
    await two.beat();
    expect(await states(one)).toEqual(['one alive', 'two alive']);
  });

  it('are compared by the clock of the database, however wrong their own are, and say by how much', async () => {
    const [ahead, behind] = [
      node('ahead', { now: () => new Date(Date.now() + 3_600_000) }),
      node('behind', { now: () => new Date(Date.now() - 90_000) }),
    ];
    await ahead.join();
    await behind.join();
    await beating(2 * GRACE_MS, ahead, behind);
    const skews = (await ahead.list()).map(({ clockSkewMs = 0 }) => Math.round(clockSkewMs / 1_000));
    expect([lost, skews]).toEqual([[], [3_600, -90]]);
    expect(log.lines.filter(({ message }) => message.startsWith('clock differs'))).toHaveLength(2);
  });

  it('that come back from an outage together declare nobody, and whoever does not come back is declared after it', async () => {
    const [one, two, three] = [node('one'), node('two'), node('three')];
    for (const each of [one, two, three]) await each.join();
    await beating(GRACE_MS, one, two, three);
    // The outage: no beat of anybody gets through for as long as fifteen times what makes one lost.
    await ask("update nodes set last_heartbeat = last_heartbeat - interval '6 seconds'");
    await sleep(QUICK.lostAfterMs);
    await one.beat();
    expect(lost).toEqual([]);
    await beating(QUICK.lostAfterMs, one, two);
    expect(lost).toEqual([]);
    await beatUntilLost(one, two);
    expect(lost).toEqual([expect.stringMatching(/ lost three$/)]);
  });

  it('that stand still right after their own beat hold it against nobody either', async () => {
    const stalls: number[] = [];
    const monotonic = (): number => {
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, stalls.shift() ?? 0);
      return performance.now();
    };
    const [one, two] = [node('one', { monotonic }), node('two')];
    await one.join();
    await two.join();
    await beating(GRACE_MS, one, two);
    // The first look at the clock takes note of the beat, the second asks whether others may be judged.
    stalls.push(0, 2 * QUICK.lostAfterMs);
    await one.beat();
    expect(stalls).toEqual([]);
    expect(lost).toEqual([]);
  });

  it('that stood still themselves hold it against nobody else', async () => {
    let here = 0;
    const [frozen, other] = [node('frozen', { monotonic: () => here + performance.now() }), node('other')];
    await frozen.join();
    await other.join();
    await beating(GRACE_MS, frozen, other);
    // SIGSTOP: time passes, and nobody could tell this one anything.
    here += 20_000;
    await ask("update nodes set last_heartbeat = last_heartbeat - interval '20 seconds' where id = 'other'");
    await frozen.beat();
    expect(lost).toEqual([]);
  });

  it('are found by id and by name', async () => {
    const one = node('one');
    await one.join();
    await node('two').join();
    expect([await one.idOf('two'), await one.idOf('two.local'), await one.idOf('nobody')]).toEqual([
      'two',
      'two',
      'one',
    ]);
    await expect(one.beatFor('nobody')).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(
      node('other', { node: { id: 'other', name: 'one.local', version: '1' } }).join(),
    ).rejects.toMatchObject({
      code: 'CONFLICT',
    });
  });

  it('that were removed while they were away learn it with their next beat', async () => {
    const told: string[] = [];
    const one = node('one', { onRemoved: () => void told.push('one') });
    await one.join();
    await ask('delete from nodes');
    await expect(one.beat()).rejects.toMatchObject({ code: 'NOT_FOUND' });
    expect(told).toEqual(['one']);
  });

  it('that were stopped count as lost for what others can do, once that took longer than a restart', async () => {
    const [one, two] = [node('one'), node('two')];
    await one.join();
    await two.join();
    await two.leave();
    expect([await one.lost(), await one.absent()]).toEqual([[], new Set(['two'])]);
    await ask("update nodes set last_heartbeat = last_heartbeat - interval '3 minutes' where id = 'two'");
    expect(await one.lost()).toEqual(['two']);
    await two.join();
    expect([await one.lost(), await one.absent()]).toEqual([[], new Set()]);
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
    const now = () => new Date();
    const dead = createExecutions({ store: database.store, now, nodeId: 'dead' });
    const heir = createExecutions({ store: database.store, now, nodeId: 'heir' });
    const { execution } = await dead.insert({ workflow, context: {}, trigger: 'api', actor: operator });
    expect(await heir.runningHere()).toEqual([]);
    // A node that lives keeps what it has.
    await database.store.db.withTables<EngineTables>().insertInto('nodes').values(row('dead', 'alive')).execute();
    expect(await heir.takeOver('dead')).toEqual([]);
    await database.store.db
      .withTables<EngineTables>()
      .updateTable('nodes')
      .set({ state: 'lost' })
      .where('id', '=', 'dead')
      .execute();
    expect(await heir.takeOver('dead')).toEqual([{ id: execution.id, epoch: 1 }]);
    // Whoever had it can write nothing about it any more.
    await expect(dead.finish({ id: execution.id, epoch: 0 }, 'failed', '')).rejects.toThrow(TakenOver);
    expect((await heir.runningHere()).map(({ id }) => id)).toEqual([execution.id]);
    expect(await heir.takeOver('dead')).toEqual([]);
  });
});

function row(id: string, state: 'alive' | 'lost') {
  const at = new Date();
  return { id, name: id, version: '1', labels: '{}', state, started_at: at, last_heartbeat: at };
}

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
    expect(await children.endLeftovers(['run_1'])).toBe(1);
    expect(await children.endLeftovers()).toBe(1);
    expect(await children.endLeftovers()).toBe(0);
    expect(killed).toEqual([11, 13]);
    await database.drop();
  });
});
