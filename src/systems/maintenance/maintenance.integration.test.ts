import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemActor } from '../../core/actor.ts';
import { Cron } from 'croner';
import type { NextInstant } from '../../core/maintenance.ts';
import { Schedule } from '../../core/schedule.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { memoryLog } from '../../testing/log.ts';
import { watchedInventory, watchedService } from '../../testing/watched-world.ts';
import { type ConfiguredMaintenance, createMaintenance, maintenanceMigrations, type MaintenanceDeps } from './index.ts';

const start = new Date('2026-03-01T12:00:00Z');
const person = { ...systemActor('test'), kind: 'user' as const, name: 'Ada' };
const db = watchedService('db', { labels: { team: 'shop' } });
const web = watchedService('web');
const elsewhere = watchedService('far', { node: 'node_2' });

let database: TestDatabase;
let at: Date;
let configured: ConfiguredMaintenance[];
let over: Set<string>;
let systems: ReturnType<typeof createMaintenance>[];
const now = (): Date => at;
const later = (seconds: number): void => void (at = new Date(at.getTime() + seconds * 1_000));
const next: NextInstant = ({ cron = '', zone }, after) =>
  new Cron(cron, { timezone: zone, paused: true }).nextRun(after) ?? undefined;

function build(node = 'here', workOf?: MaintenanceDeps['workOf']): ReturnType<typeof createMaintenance> {
  const system = createMaintenance({
    store: database.store,
    inventory: watchedInventory([db, web, elsewhere]),
    next,
    configured: () => configured,
    nodes: async () => [
      { id: 'here', name: 'alpha' },
      { id: 'node_2', name: 'beta' },
    ],
    node: { id: node, name: node === 'here' ? 'alpha' : 'beta' },
    isOver: async (owner) => over.has(owner),
    ...(workOf && { workOf }),
    now,
    log: memoryLog(),
  });
  systems.push(system);
  return system;
}

beforeEach(async () => {
  [at, configured, over, systems] = [start, [], new Set(), []];
  database = await testDatabase({ migrations: maintenanceMigrations, now });
});

afterEach(async () => {
  await Promise.all(systems.map((system) => system.stop()));
  await database.drop();
});

async function call(system: ReturnType<typeof createMaintenance>, name: string, input: object = {}) {
  const operation = system.operations.find((each) => each.name === name);
  if (!operation) throw new Error(`There is no operation ${name}.`);
  const answer = await operation.handle(operation.input.parse(input), {
    actor: person,
    now: now(),
    from: 'local',
    requestId: 'r1',
  });
  return operation.output.parse(answer) as never;
}

const told = async (): Promise<string[]> =>
  (
    await database.store.pool.query<{ line: string }>(
      `select type || ' ' || (data->>'reason') as line from events where type like 'maintenance.%' order by id`,
    )
  ).rows.map(({ line }) => line);

describe('a maintenance window', () => {
  it('covers what it names, from its beginning to just before its end', async () => {
    const system = build();
    const window: { id: string; covers: string } = await call(system, 'create-maintenance', {
      reason: 'new disk',
      services: ['db'],
      for: '30m',
    });

    expect(window.covers).toBe('db');
    expect(await system.activeFor(db, at)).toMatchObject({ id: window.id, reason: 'new disk', actor: 'Ada' });
    expect(await system.activeFor(web, at)).toBeUndefined();
    later(30 * 60 - 1);
    expect(await system.activeFor(db, at)).toBeDefined();
    later(1);
    expect(await system.activeFor(db, at)).toBeUndefined();
  });

  it.each([
    ['a label', { labels: ['team=shop'] }, ['db']],
    ['a machine by its name', { nodes: ['beta'] }, ['far']],
    ['everything', { everything: true }, ['db', 'far', 'web']],
    ['two services', { services: ['db', 'web'] }, ['db', 'web']],
  ])('covers by %s', async (_what, scope, expected) => {
    const system = build();
    await call(system, 'create-maintenance', { reason: 'work', for: '1h', ...scope });
    const covered = await Promise.all(
      [db, web, elsewhere].map(async (each) => ((await system.activeFor(each, at)) ? [each.name] : [])),
    );
    expect(covered.flat().toSorted()).toEqual(expected);
  });

  it('is refused with what was wrong, and where', async () => {
    const system = build();
    for (const [input, message] of [
      [{ reason: 'x', for: '1h' }, /services: expected what is worked on/],
      [{ reason: 'x', services: ['dp'], for: '1h' }, /services.0: there is no service 'dp'/],
      [{ reason: 'x', nodes: ['gamma'], for: '1h' }, /nodes.0: there is no machine 'gamma'/],
      [{ reason: 'x', everything: true }, /for: expected how long/],
      [
        { reason: 'x', everything: true, until: '2026-02-28T00:00:00Z' },
        /until: expected an end that is still to come/,
      ],
      [{ reason: 'x', everything: true, for: '1h', cron: '0 25 * * *' }, /cron: /],
      [{ reason: 'x', everything: true, cron: '0 2 * * *' }, /for: expected for what recurs/],
    ] as const)
      await expect(call(system, 'create-maintenance', input)).rejects.toThrow(message);
  });

  it('tells of its beginning and its end once, whichever node notices', async () => {
    const [one, two] = [build(), build('node_2')];
    await call(one, 'create-maintenance', {
      reason: 'work',
      everything: true,
      from: '2026-03-01T13:00:00Z',
      for: '1h',
    });
    expect(await told()).toEqual([]);
    later(3_600);
    await Promise.all([one.start(), two.start()]);
    await expect.poll(told).toEqual(['maintenance.started work']);
    later(3_600);
    await Promise.all([one.stop(), two.stop()]);
    await Promise.all([one.start(), two.start()]);
    await expect.poll(told).toEqual(['maintenance.started work', 'maintenance.ended work']);
  });

  it('ends sooner or later when somebody says so', async () => {
    const system = build();
    const { id }: { id: string } = await call(system, 'create-maintenance', {
      reason: 'w',
      everything: true,
      for: '1h',
    });
    await call(system, 'extend-maintenance', { id, by: '1h' });
    later(5_400);
    expect(await system.activeFor(db, at)).toBeDefined();
    await call(system, 'end-maintenance', { id });
    expect(await system.activeFor(db, at)).toBeUndefined();
    await expect(call(system, 'end-maintenance', { id })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    await expect(call(system, 'extend-maintenance', { id, by: '1h' })).rejects.toThrow(/over already/);
    expect(await told()).toEqual(['maintenance.started w', 'maintenance.ended w']);
  });
});

describe('windows that recur', () => {
  it('open at the local time of their zone on both sides of daylight saving, and leave no rows for days to come', async () => {
    const system = build();
    const plan: { next: Date[] } = await call(system, 'create-maintenance', {
      reason: 'updates',
      services: ['db'],
      cron: '0 3 * * *',
      zone: 'Europe/Berlin',
      for: '2h',
    });
    expect(plan.next[0]).toEqual(new Date('2026-03-02T02:00:00Z'));

    for (const [instant, open] of [
      ['2026-03-28T01:59:59Z', false],
      ['2026-03-28T02:00:00Z', true],
      ['2026-03-28T03:59:59Z', true],
      ['2026-03-28T04:00:00Z', false],
      // An hour earlier in UTC from this day on.
      ['2026-03-29T01:00:00Z', true],
      ['2026-03-29T03:00:00Z', false],
    ] as const)
      expect([instant, (await system.activeFor(db, new Date(instant))) !== undefined]).toEqual([instant, open]);
    expect((await database.store.pool.query('select 1 from maintenance_windows')).rowCount).toBe(0);
  });

  it('can be ended for this once, and removed for good', async () => {
    const system = build();
    const plan: { id: string } = await call(system, 'create-maintenance', {
      reason: 'updates',
      everything: true,
      cron: '0 12 * * *',
      for: '2h',
    });
    await system.start();
    const list = async (): Promise<{ items: { id: string; state: string }[] }> => await call(system, 'maintenance');
    await expect.poll(async () => (await list()).items.map(({ state }) => state)).toEqual(['active', 'plan']);
    await call(system, 'end-maintenance', { id: (await list()).items[0]?.id });
    expect(await system.activeFor(db, at)).toBeUndefined();
    later(86_400);
    expect(await system.activeFor(db, at)).toBeDefined();
    await call(system, 'end-maintenance', { id: plan.id });
    expect(await system.activeFor(db, at)).toBeUndefined();
    later(86_400);
    expect(await system.activeFor(db, at)).toBeUndefined();
  });

  it('opens nothing for what was removed while it looked', async () => {
    const system = build();
    const plan: { id: string } = await call(system, 'create-maintenance', {
      reason: 'updates',
      everything: true,
      cron: '0 12 * * *',
      for: '2h',
    });
    const remover = await database.store.pool.connect();
    await remover.query('begin');
    await remover.query('update maintenance_plans set removed_at = now() where id = $1', [plan.id]);
    const started = system.start();
    // It has seen the plan, and now waits for whoever removes it.
    const blocked = async (): Promise<number | null> =>
      (
        await database.store.pool.query(
          `select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
        )
      ).rowCount;
    await expect.poll(blocked).toBe(1);
    await remover.query('commit');
    remover.release();
    await started;
    expect(await system.activeFor(db, at)).toBeUndefined();
    expect(await told()).toEqual([]);
  });

  it('of steward.yaml are about its own machine, and end when they are taken out of it', async () => {
    configured = [
      {
        name: 'nightly',
        scope: { everything: true, services: [], labels: [], nodes: [] },
        when: { schedule: Schedule.parse({ cron: '0 12 * * *' }), duration: '1h' },
      },
    ];
    const system = build();
    await system.start();
    expect(await system.activeFor(db, at)).toMatchObject({ kind: 'configured', reason: 'nightly' });
    expect(await system.activeFor(elsewhere, at)).toBeUndefined();
    configured = [];
    await system.stop();
    await system.start();
    expect(await system.activeFor(db, at)).toBeUndefined();
  });
});

describe('a window that a run opens', () => {
  it('is one for the run, however often it asks, and is closed once', async () => {
    const system = build();
    const request = { owner: 'run_1', resources: ['db'], reason: 'backup', actor: 'backup-database', atMostMs: 60_000 };
    const opened = await Promise.all([system.openFor(request), system.openFor(request), system.openFor(request)]);
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1);
    expect(await system.activeFor(db, at)).toMatchObject({ owner: 'run_1', kind: 'owned' });
    await system.close('run_1');
    await system.close('run_1');
    expect(await system.activeFor(db, at)).toBeUndefined();
    expect(await told()).toEqual(['maintenance.started backup', 'maintenance.ended backup']);
  });

  it('begins with a run that takes something away from others, and ends with it', async () => {
    const system = build('here', async (runId) =>
      runId === 'run_other' ? undefined : { resources: ['db'], reason: `shop is restored (${runId})`, actor: 'Ada' },
    );
    await system.start();
    const say = async (type: 'run.started' | 'run.finished', runId: string, more: object = {}): Promise<void> =>
      void (await database.store.db
        .transaction()
        .execute((trx) => database.store.events.append(trx, { type, node: 'here', data: { runId, ...more } })));
    await say('run.started', 'run_other');
    await say('run.started', 'run_dry', { dryRun: true });
    await say('run.started', 'run_1');
    await expect
      .poll(() => system.activeFor(db, at))
      .toMatchObject({ owner: 'run_1', kind: 'owned', reason: 'shop is restored (run_1)', actor: 'Ada' });
    await say('run.finished', 'run_1');
    await expect.poll(() => system.activeFor(db, at)).toBeUndefined();
    expect(await told()).toEqual([
      'maintenance.started shop is restored (run_1)',
      'maintenance.ended shop is restored (run_1)',
    ]);
  });

  it('closes by itself when the run is over, whoever died, and at the latest when its time is up', async () => {
    const system = build();
    for (const owner of ['run_1', 'run_2'])
      await system.openFor({
        owner,
        resources: [owner === 'run_1' ? 'db' : 'web'],
        reason: owner,
        actor: 'x',
        atMostMs: 60_000,
      });
    over.add('run_1');
    await system.start();
    expect(await system.activeFor(db, at)).toBeUndefined();
    expect(await system.activeFor(web, at)).toBeDefined();
    later(60);
    expect(await system.activeFor(web, at)).toBeUndefined();
  });
});
