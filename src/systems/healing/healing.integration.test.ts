import { changesOf } from '../../testing/changes.ts';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemActor } from '../../core/actor.ts';
import type { Incident } from '../../core/incident.ts';
import type { AnyOperation } from '../../core/operation.ts';
import type { Resource } from '../../core/resource.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { type FakeRuns, fakeRuns } from '../../testing/fake-runs.ts';
import { HEALING, healingParts } from '../../testing/healing.ts';
import { memoryLog } from '../../testing/log.ts';
import {
  fakeEvidence,
  fakeMonitor,
  type FakeMonitor,
  watchedInventory,
  watchedService,
} from '../../testing/watched-world.ts';
import { createIncidents, incidentsMigrations } from '../incidents/index.ts';
import { createHealing, healingMigrations } from './index.ts';
import type { HealingSettings } from './settings.ts';

const SETTINGS = HEALING;
const recipe = { argv: ['/srv/bare'], executable: '/srv/bare', cwd: '/srv', uid: 1, gid: 1 };
const RESOURCES: Resource[] = [
  watchedService('web'),
  watchedService('db'),
  watchedService('other'),
  watchedService('boxed', { supervisor: { kind: 'docker', container: 'abc', name: 'boxed' } }),
  watchedService('bare', { supervisor: { kind: 'process', recipe } }),
  watchedService('opted', { supervisor: { kind: 'process', recipe }, labels: { 'steward.restart': 'process' } }),
  watchedService('pm', { supervisor: { kind: 'foreign', name: 'pm2' } }),
  watchedService('lost', { supervisor: { kind: 'none' } }),
  watchedService('pending', { adoption: 'pending' }),
  watchedService('never', { labels: { 'steward.restart': 'never' } }),
  watchedService('left'),
  watchedService('right'),
];
const NEEDS = { web: ['db'], left: ['right'], right: ['left'] };
const nothing = new AbortController().signal;

let database: TestDatabase;
let monitor: FakeMonitor;
let runs: FakeRuns;
let at: Date;
let settings: HealingSettings;
let incidents: ReturnType<typeof createIncidents>;
let healing: ReturnType<typeof createHealing>;
const now = (): Date => at;
const later = (seconds: number): void => void (at = new Date(at.getTime() + seconds * 1_000));

function build(store = database.store): typeof healing {
  const shared = {
    store,
    inventory: watchedInventory(RESOURCES, NEEDS),
    monitor,
    evidence: fakeEvidence(),
    changes: changesOf(database.store),
    node: { id: 'node_1', name: 'here' },
    now,
    log: memoryLog(),
  };
  incidents = createIncidents(shared);
  return createHealing({ ...healingParts(), ...shared, incidents, runs, settings: () => settings });
}

beforeEach(async () => {
  at = new Date('2026-03-01T12:00:00Z');
  settings = SETTINGS;
  database = await testDatabase({ migrations: [...incidentsMigrations, ...healingMigrations], now });
  monitor = fakeMonitor(now);
  runs = fakeRuns(now);
  healing = build();
});

afterEach(async () => {
  await healing.stop();
  await database.drop();
});

async function goesDown(id: string, more: { parentId?: string } = {}): Promise<Incident> {
  monitor.set(id, 'down');
  return await incidents.open({
    fingerprint: `service.down:${id}`,
    resourceId: id,
    title: `${id} is down`,
    symptom: 'service.down',
    severity: 'critical',
    evidence: {},
    ...more,
  });
}
const look = () => healing.look(nothing);
const status = async ({ id }: Incident): Promise<string | undefined> => (await incidents.get(id))?.status;
// Straight from the table: `read` holds back what was committed while any other transaction still runs.
const told = async (type: 'healing.succeeded' | 'healing.failed' | 'incident.escalated'): Promise<unknown[]> =>
  (await database.store.pool.query('select data from events where type = $1 order by id', [type])).rows.map(
    ({ data }) => data,
  );

async function show(name: string, input: object): Promise<never> {
  const operation = [...incidents.operations, ...healing.operations].find(
    (candidate: AnyOperation) => candidate.name === name,
  );
  if (!operation) throw new Error(`There is no operation ${name}.`);
  return operation.output.parse(
    await operation.handle(operation.input.parse(input), {
      actor: systemActor('test'),
      now: now(),
      from: 'local',
      requestId: 'r',
    }),
  ) as never;
}
const timeline = async ({ id }: Incident): Promise<{ kind: string; message: string }[]> =>
  ((await show('incident-get', { id })) as { timeline: { kind: string; message: string }[] }).timeline;

describe('healing a service', () => {
  it('restarts it, and counts the heal only when the symptom stayed away for the soak window', async () => {
    const incident = await goesDown('db');
    await look();
    expect(runs.started).toMatchObject([
      {
        automation: 'restart-service',
        input: { service: 'db' },
        trigger: 'healing',
        idempotencyKey: `heal:${incident.id}:1`,
      },
    ]);
    expect(await status(incident)).toBe('healing');

    runs.end(0, 'succeeded');
    monitor.set('db', 'up');
    await look();
    later(59);
    await look();
    expect(await status(incident)).toBe('healing');
    later(1);
    await look();
    expect(await status(incident)).toBe('resolved');
    expect(await told('healing.succeeded')).toMatchObject([{ incidentId: incident.id, attempt: 1 }]);
    expect(await healing.stats()).toEqual({ attempts: 1, successful: 1 });
  });

  it('is not fooled by a restart that worked and did not help', async () => {
    const incident = await goesDown('db');
    await look();
    runs.end(0, 'succeeded');
    monitor.set('db', 'up');
    await look();
    later(20);
    monitor.set('db', 'down');
    await look();
    expect(await told('healing.failed')).toMatchObject([
      { outcome: expect.stringContaining('came back within the soak window') },
    ]);
    expect(await status(incident)).toBe('open');
  });

  it('notices a symptom that came and went between two looks', async () => {
    const incident = await goesDown('db');
    await healing.start();
    await until(() => runs.started.length === 1);
    runs.end(0, 'succeeded');
    monitor.set('db', 'up');
    await healing.stop();
    await look();
    later(10);
    await database.store.db
      .transaction()
      .execute((trx) =>
        database.store.events.append(trx, { type: 'service.down', subject: { kind: 'service', id: 'db' }, data: {} }),
      );
    await healing.start();
    await until(async () => (await told('healing.failed')).length === 1);
    expect(await status(incident)).not.toBe('resolved');
  });

  it('tries twice with a pause, not a third time, then calls a person once with what was learned, and leaves it alone', async () => {
    const incident = await goesDown('db');
    const starts: number[] = [];
    const begin = at.getTime();
    for (let second = 0; second < 400; second += 1) {
      await look();
      if (runs.started.length > starts.length) {
        starts.push((at.getTime() - begin) / 1_000);
        runs.end(runs.started.length - 1, 'failed', 'it does not start: no space left on device');
      }
      later(1);
    }
    expect(starts).toEqual([0, 11]);
    expect(await status(incident)).toBe('escalated');
    const escalated = await told('incident.escalated');
    expect(escalated).toHaveLength(1);
    expect(JSON.stringify(escalated)).toMatch(/no space left on device.*db: last words/);
    expect(await told('healing.failed')).toHaveLength(2);
  });

  it('keeps to three an hour for a service, whichever incident asks', async () => {
    settings = { ...SETTINGS, recurrence: '0s' };
    for (let round = 0; round < 3; round += 1) {
      const incident = await goesDown('db');
      await look();
      runs.end(round, 'succeeded');
      monitor.set('db', 'up');
      await look();
      later(60);
      await look();
      expect(await status(incident)).toBe('resolved');
      // Another fingerprint's chain, so that only the hour counts.
      await database.store.pool.query('update incidents set fingerprint = fingerprint || $1', [`:${round}`]);
    }
    const fourth = await goesDown('db');
    await look();
    expect(runs.started).toHaveLength(3);
    expect(await status(fourth)).toBe('escalated');
    expect((await timeline(fourth)).at(-1)?.message).toContain('3 times within an hour');
  });

  it('restarts a container, and a bare process only where its owner asked for it', async () => {
    for (const id of ['boxed', 'opted', 'bare']) await goesDown(id);
    await look();
    expect(runs.started.map(({ input }) => input)).toEqual([{ service: 'boxed' }, { service: 'opted' }]);
  });

  it.each([
    ['bare', 'restart: process'],
    ['pm', 'does not drive pm2'],
    ['lost', 'not known how lost was started'],
    ['pending', 'Adopt it'],
    ['never', 'restart: never'],
  ])('calls a person at once for %s and says what can be done', async (id, advice) => {
    const incident = await goesDown(id);
    await look();
    await look();
    expect(runs.started).toEqual([]);
    expect(await status(incident)).toBe('escalated');
    expect(
      (await timeline(incident)).filter(({ kind, message }) => kind === 'escalated' && message.includes(advice)),
    ).toHaveLength(1);
  });
});

describe('what healing waits for', () => {
  it('heals the parent first', async () => {
    const parent = await goesDown('db');
    const child = await goesDown('web', { parentId: parent.id });
    await look();
    expect(runs.started.map(({ input }) => input)).toEqual([{ service: 'db' }]);
    runs.end(0, 'succeeded');
    monitor.set('db', 'up');
    await look();
    later(60);
    await look();
    expect(await status(parent)).toBe('resolved');
    await look();
    expect(runs.started.map(({ input }) => input)).toEqual([{ service: 'db' }, { service: 'web' }]);
    expect((await timeline(child)).filter(({ message }) => message.includes('waits until this is over'))).toHaveLength(
      1,
    );
  });

  it('waits for a dependency that fails but is not called down yet', async () => {
    monitor.set('db', 'up', { failures: 1 });
    await goesDown('web');
    await look();
    expect(runs.started).toEqual([]);
    monitor.set('db', 'up');
    await look();
    expect(runs.started).toHaveLength(1);
  });

  it('lets neither of two wait that need each other', async () => {
    await goesDown('left');
    await goesDown('right');
    await look();
    expect(runs.started).toHaveLength(2);
  });

  it('does not touch a service that a run works on', async () => {
    await runs.start({ automation: 'backup', input: {}, trigger: 'schedule', actor: systemActor('test') });
    runs.workOn(0, 'db');
    await goesDown('db');
    await look();
    expect(runs.started).toHaveLength(1);
    runs.end(0, 'succeeded');
    await look();
    expect(runs.started).toHaveLength(2);
  });

  it('leaves what a person took to that person', async () => {
    const incident = await goesDown('db');
    await show('acknowledge-incident', { id: incident.id });
    await look();
    expect(runs.started).toEqual([]);
  });

  it('does not restart what answers by now, what was stopped, or what is only degraded', async () => {
    await goesDown('db');
    monitor.set('db', 'up');
    await goesDown('other');
    monitor.set('other', 'stopped');
    monitor.set('web', 'degraded');
    await incidents.open({
      fingerprint: 'service.degraded:web',
      resourceId: 'web',
      title: 'web is slow',
      symptom: 'service.degraded',
      severity: 'warning',
      evidence: {},
    });
    await look();
    expect(runs.started).toEqual([]);
  });

  it.each([{ enabled: false }, { mode: 'observe' as const }])('only says what it would do with %o', async (change) => {
    settings = { ...SETTINGS, ...change };
    const incident = await goesDown('db');
    await look();
    await look();
    expect(runs.started).toEqual([]);
    expect(
      (await timeline(incident)).filter(({ message }) => message.includes('would run restart-service')),
    ).toHaveLength(1);
  });

  it.each(['stopped', 'observe-only'] as const)('says so once and starts nothing while Steward is %s', async (mode) => {
    runs.switchTo(mode);
    const incident = await goesDown('db');
    for (let times = 0; times < 3; times += 1) {
      await look();
      later(60);
    }
    expect(runs.started).toEqual([]);
    expect((await timeline(incident)).filter(({ message }) => message.includes('held back'))).toHaveLength(1);
    expect(await status(incident)).toBe('open');

    runs.switchTo('normal');
    await look();
    expect(runs.started).toHaveLength(1);
  });

  it('does not count what the kill switch ended', async () => {
    const incident = await goesDown('db');
    await look();
    runs.switchTo('stopped');
    runs.set(0, 'canceled');
    await look();
    expect(await status(incident)).toBe('open');
    expect(await told('healing.failed')).toEqual([]);
  });

  it.each([
    [
      { decision: 'observe', decisionRule: 'hands-off' },
      "The policy rule 'hands-off' lets restart-service only look, so nothing was changed.",
    ],
    [
      { decision: 'propose', error: { code: 'POLICY_REFUSED', message: 'Rejected by ada: not now' } },
      'restart-service was rejected: Rejected by ada: not now',
    ],
  ] as const)('tells a person at once, and why, where the answer is no: %o', async (more, why) => {
    const incident = await goesDown('db');
    await look();
    runs.set(0, 'rejected', more);
    await look();
    later(3_600);
    await look();

    expect(runs.started).toHaveLength(1);
    expect(await status(incident)).toBe('escalated');
    expect((await timeline(incident)).filter(({ kind }) => kind === 'outcome')).toMatchObject([
      { message: why, runId: 'run_0' },
    ]);
    expect(await told('incident.escalated')).toMatchObject([{ why: expect.stringContaining(why) }]);
    expect(await told('healing.failed')).toEqual([]);
  });

  it('begins nothing that was counted before it was switched off, and ends what was begun', async () => {
    const incident = await goesDown('db');
    runs.breakNextStart();
    await look();
    settings = { ...SETTINGS, enabled: false };
    await look();
    expect(runs.started).toEqual([]);
    expect(await status(incident)).toBe('open');

    settings = SETTINGS;
    later(60);
    await look();
    expect(runs.started).toHaveLength(1);
    settings = { ...SETTINGS, mode: 'observe' };
    runs.end(0, 'succeeded');
    monitor.set('db', 'up');
    await look();
    later(61);
    await look();
    expect(await status(incident)).toBe('resolved');
  });

  it('says that a restart awaits approval, and withdraws it when the service is back by itself', async () => {
    const incident = await goesDown('db');
    await look();
    runs.set(0, 'waiting-approval');
    await look();
    await look();
    expect(
      (await timeline(incident)).filter(({ message }) => message.includes('wants a person to approve')),
    ).toHaveLength(1);
    expect(await status(incident)).toBe('open');
    await incidents.resolve(incident.id, 'It answers again.');
    await look();
    expect(runs.canceled).toEqual([0]);
    expect(await healing.stats()).toEqual({ attempts: 1, successful: 0 });
  });
});

describe('a Steward that dies while it heals', () => {
  it('goes on with the attempt that was counted and not begun, and starts it once', async () => {
    const incident = await goesDown('db');
    runs.breakNextStart();
    await look();
    expect(runs.started).toEqual([]);
    healing = build();
    await look();
    await look();
    expect(runs.started).toMatchObject([{ idempotencyKey: `heal:${incident.id}:1` }]);
    expect(((await show('healing', {})) as { attempts: object[] }).attempts).toHaveLength(1);
  });

  it('finds the run that was started before its id was written down', async () => {
    const incident = await goesDown('db');
    await look();
    await database.store.pool.query("update healing_attempts set status = 'starting', run_id = null");
    healing = build();
    await look();
    expect(runs.started).toHaveLength(1);
    runs.end(0, 'succeeded');
    monitor.set('db', 'up');
    await look();
    later(61);
    await look();
    expect(await status(incident)).toBe('resolved');
  });

  it('counts what was tried before it died', async () => {
    const incident = await goesDown('db');
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await look();
      runs.end(attempt, 'failed', 'no');
      await look();
      later(60);
      healing = build();
    }
    await look();
    expect(runs.started).toHaveLength(2);
    expect(await status(incident)).toBe('escalated');
  });
});

describe('the healing query', () => {
  it('shows budgets, and how often each runbook helped', async () => {
    await goesDown('db');
    await look();
    runs.end(0, 'failed', 'no');
    await look();
    later(10);
    await look();
    runs.end(1, 'succeeded');
    monitor.set('db', 'up');
    await look();
    later(60);
    await look();
    const shown = await show('healing', {});
    expect(shown).toMatchObject({
      stats: { attempts: 2, successful: 1 },
      budgets: [{ resourceId: 'db', service: 'db', usedThisHour: 2, left: 1 }],
      attempts: [
        { number: 2, status: 'succeeded' },
        { number: 1, status: 'failed' },
      ],
    });
    expect(
      (shown as { runbooks: { name: string; successRate: number | null }[] }).runbooks
        .filter(({ name }) => name.startsWith('restart-'))
        .map(({ name, successRate }) => [name, successRate]),
    ).toEqual([
      ['restart-at-memory-limit', null],
      ['restart-supervised', 0.5],
      ['restart-what-grew', null],
      ['restart-process', null],
    ]);
  });
});

const until = (look: () => Promise<boolean> | boolean) => vi.waitUntil(look, { timeout: 10_000, interval: 25 });
