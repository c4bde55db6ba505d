import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { automations } from '../src/automations/index.ts';
import { systemActor } from '../src/core/actor.ts';
import { locksOf } from '../src/core/backup/original.ts';
import type { Json } from '../src/core/json.ts';
import { isFinal, type Run } from '../src/core/run.ts';
import type { Engine } from '../src/engine/index.ts';
import { createLocks } from '../src/engine/locks.ts';
import { engineMigrations } from '../src/engine/tables.ts';
import type { Store } from '../src/store/store.ts';
import { type TestDatabase, testDatabase } from '../src/testing/database.ts';
import { engineOn } from '../src/testing/engine.ts';
import { fakePorts } from '../src/testing/fakes/fake-ports.ts';
import { memoryLog } from '../src/testing/log.ts';

const actor = systemActor('test');
const NEVER = new AbortController().signal;

/** Work on copies that stands still until it is told to go on. */
function createHolds() {
  const inside: string[] = [];
  const doors = new Map<string, PromiseWithResolvers<void>>();
  return {
    /** What is being done right now, and by whom. */
    inside,
    hold: (what: string): void => void doors.set(what, Promise.withResolvers()),
    letGo: (what: string): void => doors.get(what)?.resolve(),
    through: async <T>(what: string, work: () => Promise<T>): Promise<T> => {
      inside.push(what);
      try {
        await doors.get(what)?.promise;
        return await work();
      } finally {
        inside.splice(inside.indexOf(what), 1);
      }
    },
  };
}

describe('what works on one source', () => {
  let database: TestDatabase;
  let ports: ReturnType<typeof fakePorts>;
  let holds: ReturnType<typeof createHolds>;
  let engines: Engine[];

  beforeEach(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    holds = createHolds();
    engines = [];
    const now = (): Date => new Date();
    const fake = fakePorts({ now });
    const { backups } = fake;
    ports = {
      ...fake,
      backups: {
        ...backups,
        make: (order, doing) => holds.through('copy', () => backups.make(order, doing)),
        restore: (place, to, doing) => holds.through('restore', () => backups.restore(place, to, doing)),
        remove: (place, doing) => holds.through('remove', () => backups.remove(place, doing)),
        drill: (place, owner, doing) => holds.through('drill', () => backups.drill(place, owner, doing)),
      },
    };
    backups.addRepository('local');
    backups.addSource({ kind: 'postgres', name: 'crm', host: 'db.example.org' }, 'good');
    for (const [index, id] of ['cp_old', 'cp_new'].entries()) {
      const { location } = await backups.make({ id, source: 'crm', repository: 'local', at: now() }, { signal: NEVER });
      const startedAt = new Date(Date.now() - (2 - index) * 40 * 86_400_000 + 39 * 86_400_000);
      fake.copies.put({ id, source: 'crm', repository: 'local', location, startedAt, provenAt: now() });
    }
  }, 60_000);
  afterEach(async () => {
    for (const what of ['copy', 'restore', 'remove', 'drill']) holds.letGo(what);
    for (const engine of engines) await engine.stop();
    await database.drop();
  }, 60_000);

  async function nodeOn(store: Store, node: string, lockMs = 30_000): Promise<Engine> {
    const { engine } = engineOn(store, {
      node,
      automations: automations(),
      ports: () => ports,
      rules: [{ id: 'all', decision: 'auto', why: 'Nobody is there to ask.' }],
      settings: { lockMs },
    });
    await engine.start();
    engines.push(engine);
    return engine;
  }
  const start = async (engine: Engine, automation: string, input: Json): Promise<string> =>
    (await engine.service.start({ automation, input, trigger: 'api', actor })).id;
  const ended = async (engine: Engine, id: string): Promise<Run> => {
    const run = await engine.service.wait(id, { timeoutMs: 30_000 });
    if (!isFinal(run.status)) throw new Error(`${run.automation} is ${run.status}`);
    return run;
  };
  const standsAt = async (what: string): Promise<void> =>
    await expect.poll(() => holds.inside, { timeout: 20_000 }).toEqual([what]);

  it.each([
    ['a restore', 'restore', 'restore-backup', { source: 'crm' }, 'restore-backup', { source: 'crm', safety: false }],
    ['a copy of it', 'copy', 'backup', { sources: ['crm'] }, 'restore-backup', { source: 'crm' }],
    [
      'a restore of the copy that would go',
      'restore',
      'restore-backup',
      { source: 'crm', copy: 'cp_old', safety: false },
      'prune-backups',
      { keep: '30d' },
    ],
    ['pruning', 'remove', 'prune-backups', { keep: '30d' }, 'verify-backups', { restore: 'all' }],
  ])(
    'waits for %s that is under way, and says for whom',
    async (_name, what, first, firstInput, second, secondInput) => {
      holds.hold(what);
      const engine = await nodeOn(database.store, 'node_a');
      const one = await start(engine, first, firstInput);
      await standsAt(what);
      const other = await start(engine, second, secondInput);
      await expect
        .poll(async () => (await engine.service.get(other))?.progress?.message, { timeout: 20_000 })
        .toMatch(new RegExp(`waits for ${first} \\(${one}\\)`));
      expect(holds.inside).toEqual([what]);
      expect(ports.backups.held().map(({ id }) => id)).toEqual(expect.arrayContaining(['cp_old', 'cp_new']));
      holds.letGo(what);
      expect([(await ended(engine, one)).status, (await ended(engine, other)).status]).toEqual([
        'succeeded',
        'succeeded',
      ]);
    },
    60_000,
  );

  it.each([
    ['restore-backup', { source: 'crm' }],
    ['extract-backup', { source: 'crm', database: 'crm_beside' }],
  ])(
    'is refused to %s while another machine that reaches the same server has it, and says who',
    async (name, input) => {
      const there = createLocks({ store: await database.openAnother(), log: memoryLog(), nodeId: 'node_b' });
      const hold = await there.hold(['original:postgres:db.example.org:5432'], {
        holder: 'run_of_another',
        deadlineMs: 1_000,
        signal: NEVER,
      });
      const engine = await nodeOn(database.store, 'node_a', 300);
      const { status, error } = await ended(engine, await start(engine, name, input));
      expect([status, error?.code]).toEqual(['failed', 'LOCKED']);
      expect(error?.message).toContain('run_of_another');
      await hold.release();
      expect((await ended(engine, await start(engine, name, input))).status).toBe('succeeded');
      there.stop();
    },
    60_000,
  );

  it('is left out of a backup while another machine has it, and the others are copied all the same', async () => {
    ports.backups.addSource({ kind: 'sqlite', name: 'notes', path: '/srv/notes.db' }, 'notes');
    const there = createLocks({ store: await database.openAnother(), log: memoryLog(), nodeId: 'node_b' });
    const hold = await there.hold(['original:postgres:db.example.org:5432'], {
      holder: 'run_of_another',
      deadlineMs: 1_000,
      signal: NEVER,
    });
    const engine = await nodeOn(database.store, 'node_a', 300);
    const { status, output } = await ended(engine, await start(engine, 'backup', {}));
    expect(status).toBe('failed');
    expect(output).toMatchObject({
      copies: [{ source: 'notes' }],
      failed: [{ source: 'crm', error: expect.stringContaining('run_of_another') }],
    });
    await hold.release();
    expect((await ended(engine, await start(engine, 'backup', {}))).status).toBe('succeeded');
    there.stop();
  }, 60_000);

  it('is free for others as soon as it is copied, though the backup goes on with the next source', async () => {
    ports.backups.addSource({ kind: 'sqlite', name: 'notes', path: '/srv/notes.db' }, 'notes');
    const { location } = await ports.backups.make(
      { id: 'cp_notes', source: 'notes', repository: 'local', at: new Date() },
      { signal: NEVER },
    );
    ports.copies.put({ id: 'cp_notes', source: 'notes', repository: 'local', location, provenAt: new Date() });
    holds.hold('copy');
    const engine = await nodeOn(database.store, 'node_a');
    const backup = await start(engine, 'backup', {});
    await standsAt('copy');
    const restore = await start(engine, 'restore-backup', { source: 'notes', safety: false, copy: 'cp_notes' });
    const held = (): Promise<unknown[]> =>
      database.store.pool
        .query(
          `select name from engine_locks where holder = '${backup}' and name like 'original:%' and expires_at > now()`,
        )
        .then(({ rows }) => rows.map(({ name }) => name as string));
    expect(await held()).toEqual(['original:postgres:db.example.org:5432']);
    await expect
      .poll(async () => (await engine.service.get(restore))?.progress?.message, { timeout: 20_000 })
      .toMatch(/waits for backup/);
    holds.hold('restore');
    holds.letGo('copy');
    // The restore has its turn before the backup comes to the next source.
    await standsAt('restore');
    expect(await held()).toEqual([]);
    expect((await engine.service.get(backup))?.status).toBe('running');
    holds.letGo('restore');
    expect((await ended(engine, restore)).status).toBe('succeeded');
    expect(await ended(engine, backup)).toMatchObject({ status: 'succeeded', output: { copies: [{}, {}] } });
  }, 60_000);

  it('is refused while a machine that calls the same server otherwise has it, and only then', async () => {
    const near = fakePorts({ now: () => new Date() }).backups;
    near.addSource({ kind: 'postgres', name: 'customers', host: '127.0.0.1' }, 'good');
    near.answers('127.0.0.1:5432', '7421');
    const there = createLocks({ store: await database.openAnother(), log: memoryLog(), nodeId: 'node_b' });
    const hold = await there.hold(await locksOf(near, undefined, { node: { id: 'node_b' }, signal: NEVER }), {
      holder: 'run_of_another',
      deadlineMs: 1_000,
      signal: NEVER,
    });
    const engine = await nodeOn(database.store, 'node_a', 300);
    ports.backups.answers('db.example.org:5432', '7421');
    const { status, error } = await ended(engine, await start(engine, 'restore-backup', { source: 'crm' }));
    expect([status, error?.code]).toEqual(['failed', 'LOCKED']);
    expect(error?.message).toContain('run_of_another');
    ports.backups.answers('db.example.org:5432', 'another server');
    expect((await ended(engine, await start(engine, 'restore-backup', { source: 'crm' }))).status).toBe('succeeded');
    await hold.release();
    there.stop();
  }, 60_000);

  it('replaces nothing where another has taken over while its process was frozen', async () => {
    holds.hold('restore');
    const engine = await nodeOn(database.store, 'node_a');
    ports.backups.write('crm', 'what the other one restored');
    const id = await start(engine, 'restore-backup', { source: 'crm', safety: false });
    await standsAt('restore');
    // As after a lease that ran out: somebody else has the original now.
    await database.store.pool.query(
      `update engine_locks set holder = 'run_of_another', fence = fence + 1, expires_at = now() + interval '1 hour' where name like 'original:%'`,
    );
    holds.letGo('restore');
    const { status, error } = await ended(engine, id);
    expect([status, error?.code]).toEqual(['failed', 'LEASE_LOST']);
    expect(ports.backups.dataOf('crm')).toBe('what the other one restored');
  }, 60_000);
});
