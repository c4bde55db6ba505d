import { changesOf } from '../../testing/changes.ts';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemActor } from '../../core/actor.ts';
import type { Check, Problem } from '../../core/check.ts';
import type { Incident } from '../../core/incident.ts';
import type { AnyOperation } from '../../core/operation.ts';
import type { Resource } from '../../core/resource.ts';
import type { Runbook } from '../../core/runbook.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { type FakeRuns, fakeRuns } from '../../testing/fake-runs.ts';
import { HEALING, healingParts, shippedRunbooks } from '../../testing/healing.ts';
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

const RESOURCES: Resource[] = [
  watchedService('machine', { kind: 'node', supervisor: { kind: 'none' } }),
  watchedService('db'),
  watchedService('web'),
  watchedService('vip', { critical: true }),
  watchedService('held', { labels: { 'steward.hold': 'a migration by hand' } }),
  watchedService('boxed', { supervisor: { kind: 'docker', container: 'boxed', name: 'boxed' } }),
  ...Array.from({ length: 8 }, (_, index) => watchedService(`s${index}`)),
];
const NEEDS = { web: ['db'] };
const nothing = new AbortController().signal;
/** One that asks, because nobody knows yet what it is worth. */
const unproven: Runbook = {
  ...(shippedRunbooks().find(({ name }) => name === 'restart-supervised') as Runbook),
  name: 'unproven',
  order: 1,
  autonomy: 'earned',
};

let database: TestDatabase;
let monitor: FakeMonitor;
let runs: FakeRuns;
let at: Date;
let settings: HealingSettings;
let runbooks: readonly Runbook[];
let window: { id: string; reason: string } | undefined;
let parts: ReturnType<typeof healingParts>;
let incidents: ReturnType<typeof createIncidents>;
let healing: ReturnType<typeof createHealing>;
const now = (): Date => at;
const later = (seconds: number): void => void (at = new Date(at.getTime() + seconds * 1_000));

function build(): typeof healing {
  const shared = {
    store: database.store,
    inventory: watchedInventory(RESOURCES, NEEDS),
    monitor,
    evidence: fakeEvidence(),
    changes: changesOf(database.store),
    node: { id: 'node_1', name: 'here' },
    now,
    log: memoryLog(),
  };
  incidents = createIncidents(shared);
  return createHealing({
    ...parts,
    ...shared,
    checks: { of: async ({ id }) => [{ id: `${id}/tcp`, resourceId: id, target: { kind: 'tcp' } } as Check] },
    runbooks: () => runbooks,
    maintenance: { activeFor: async () => window },
    incidents,
    runs,
    settings: () => settings,
  });
}

beforeEach(async () => {
  at = new Date('2026-03-01T12:00:00Z');
  settings = HEALING;
  runbooks = shippedRunbooks();
  window = undefined;
  parts = healingParts();
  database = await testDatabase({ migrations: [...incidentsMigrations, ...healingMigrations], now });
  monitor = fakeMonitor(now);
  runs = fakeRuns(now);
  healing = build();
});
afterEach(async () => {
  await healing.stop();
  await database.drop();
});

async function falls(id: string, problem?: Problem): Promise<Incident> {
  const symptom = problem ?? 'service.down';
  monitor.set(id, problem && problem !== 'process.frozen' ? 'degraded' : 'down', {
    ...(problem && { problem, failures: 0 }),
    detail: { mount: '/data' },
  });
  return await incidents.open({
    fingerprint: `${symptom}:${id}`,
    resourceId: id,
    title: `${id}: ${symptom}`,
    symptom,
    severity: problem ? 'warning' : 'critical',
    evidence: {},
  });
}
const look = () => healing.look(nothing);
const status = async ({ id }: Incident): Promise<string | undefined> => (await incidents.get(id))?.status;
const said = async ({ id }: Incident): Promise<string[]> =>
  (await incidents.timeline(id)).map(({ message }) => message);
const started = () => runs.started.map(({ automation }) => automation);
const told = async (type: string): Promise<Record<string, unknown>[]> =>
  (await database.store.pool.query('select data from events where type = $1 order by id', [type])).rows.map(
    ({ data }) => data,
  );
/** The run ends well, and so does the trouble until the soak window is over. */
async function heals(id: string): Promise<void> {
  runs.end(runs.started.length - 1, 'succeeded');
  monitor.set(id, 'up');
  await look();
  later(60);
  await look();
}
async function fails(): Promise<void> {
  runs.end(runs.started.length - 1, 'failed', 'no luck');
  await look();
  later(60);
}
async function show(name: string, input: object): Promise<never> {
  const operation = healing.operations.find((candidate: AnyOperation) => candidate.name === name);
  if (!operation) throw new Error(`There is no operation ${name}.`);
  const call = { actor: systemActor('test'), now: now(), from: 'local', requestId: 'r' };
  return operation.output.parse(await operation.handle(operation.input.parse(input), call)) as never;
}

describe('memory that is used up', () => {
  const grows = (id: string): void =>
    monitor.set('machine', 'degraded', {
      problem: 'memory.high',
      failures: 0,
      detail: { grown: `unit:system:${id}.service`, grownBytes: 5e9 },
    });

  it('is relieved first; then whoever grew most is proposed for a restart, which asks a person', async () => {
    const incident = await falls('machine', 'memory.high');
    grows('web');
    await look();
    expect(runs.started).toMatchObject([{ automation: 'relieve-memory', input: { service: 'machine' } }]);
    await fails();
    await look();
    expect(runs.started[1]).toMatchObject({ automation: 'restart-service', input: { service: 'web' } });
    expect(await told('healing.started')).toMatchObject([{}, {}]);
    expect(await status(incident)).toBe('healing');
  });

  it.each(['vip', 'held', 'nobody'])('nothing is restarted where %s grew: critical, held back, unknown', async (id) => {
    const incident = await falls('machine', 'memory.high');
    grows(id);
    await look();
    await fails();
    await look();
    expect(started()).toEqual(['relieve-memory']);
    expect(await status(incident)).toBe('escalated');
  });
});

describe('a trouble with a name', () => {
  it('of a service that is down of another one is over when it is gone, so that the other one has its turn', async () => {
    const full = await falls('web', 'disk.full');
    await look();
    runs.end(0, 'succeeded');
    const frozen = await falls('web', 'process.frozen');
    await look();
    later(61);
    await look();
    expect(await status(full)).toBe('resolved');
    await look();
    expect(started()).toEqual(['clear-caches', 'resume-process']);
    expect(await status(frozen)).toBe('healing');
  });

  it('is healed by the first runbook that fits, with what its check saw in the input', async () => {
    const incident = await falls('machine', 'disk.full');
    await look();
    expect(runs.started).toMatchObject([
      {
        automation: 'clear-caches',
        input: { path: '/data' },
        trigger: 'healing',
        causation: { incidentId: incident.id },
      },
    ]);
    await heals('machine');
    expect(await status(incident)).toBe('resolved');
  });

  it('is not healed by a run that does what it says while the trouble stays, and the next rung is tried', async () => {
    const incident = await falls('machine', 'disk.full');
    await look();
    runs.end(0, 'succeeded');
    await look();
    later(20);
    await look();
    expect((await told('healing.failed'))[0]).toMatchObject({ outcome: expect.stringContaining('still there') });
    later(60);
    await look();
    expect(started()).toEqual(['clear-caches', 'free-disk-space']);
    expect(await status(incident)).toBe('healing');
  });

  it('wakes a frozen service before it restarts it', async () => {
    await falls('db', 'process.frozen');
    await look();
    await fails();
    await look();
    expect(started()).toEqual(['resume-process', 'restart-service']);
  });

  it('that nothing is known against is told with advice, and as a mere warning calls nobody', async () => {
    const incident = await falls('machine', 'load.high');
    await look();
    await look();
    expect(await status(incident)).toBe('open');
    expect((await said(incident)).filter((message) => message.includes('ps -eo pcpu'))).toHaveLength(1);
  });
});

describe('what was tried', () => {
  it('is not tried a third time on the same trouble, whichever incident it is, until somebody forgives it or it is long ago', async () => {
    const first = await falls('db');
    for (let attempt = 0; attempt < 2; attempt += 1) {
      await look();
      await fails();
    }
    await look();
    expect(await status(first)).toBe('escalated');
    expect((await said(first)).at(-1)).toMatch(
      /2 attempts did not help\. restart-supervised failed twice on this and is not tried again: .*no luck/,
    );
    await incidents.resolve(first.id, 'somebody mended it');
    later(7_200);
    const second = await falls('db');
    await look();
    expect(runs.started).toHaveLength(2);
    expect(await status(second)).toBe('escalated');

    await show('forgive-runbook', { name: 'restart-supervised', resource: 'db' });
    await incidents.resolve(second.id, 'mended for good');
    later(7_200);
    await falls('db');
    await look();
    expect(runs.started).toHaveLength(3);
    await fails();
    await look();
    await fails();
    const escalated = await incidents.byFingerprint('service.down:db');
    await incidents.resolve((escalated as Incident).id, 'once more');
    later(86_400);
    await falls('db');
    await look();
    expect(runs.started).toHaveLength(5);
  });

  it('counts against its runbook where it looked healed and the trouble was back soon', async () => {
    for (let round = 0; round < 2; round += 1) {
      await falls('db');
      await look();
      await heals('db');
      later(300);
    }
    const third = await falls('db');
    await look();
    expect(runs.started).toHaveLength(2);
    expect(await status(third)).toBe('escalated');
    expect(await said(third)).toContainEqual(expect.stringContaining('and it is back: that counts as a failure'));
    expect(await show('remediations', { resource: 'db' })).toMatchObject({
      items: [
        { status: 'succeeded', lasted: 'no', runbook: 'restart-supervised' },
        { status: 'succeeded', lasted: 'no' },
      ],
      fingerprints: [{ fingerprint: 'service.down:db', attempts: 2, helped: 0, recurred: 2, successRate: 0 }],
    });
    expect(await healing.stats()).toEqual({ attempts: 2, successful: 0 });
  });

  it('is forgotten where it helped in between', async () => {
    await falls('db');
    await look();
    await fails();
    await look();
    await heals('db');
    later(4_000);
    await falls('db');
    await look();
    expect(runs.started).toHaveLength(3);
  });
});

describe('what a runbook may do by itself', () => {
  beforeEach(() => {
    runbooks = [unproven];
    settings = { ...HEALING, perHour: 60, autonomy: { ...HEALING.autonomy, successes: 3 } };
  });
  const standing = async () =>
    ((await show('runbooks', {})) as { items: { mayActItself: boolean; autonomy: string }[] }).items[0];

  it('is earned by heals that last, told with its numbers, and lost when one of them does not', async () => {
    for (let round = 0; round < 3; round += 1) {
      const incident = await falls(`s${round}`);
      await look();
      expect(runs.started.at(-1)?.askFirst).toMatchObject({ rule: 'healing-record' });
      expect(await said(incident)).toContainEqual(expect.stringContaining('It asks a person first'));
      await heals(`s${round}`);
    }
    expect(await standing()).toMatchObject({ mayActItself: true, autonomy: expect.stringContaining('3 of 3') });
    expect(await told('healing.autonomy-gained')).toMatchObject([{ runbook: 'unproven', helped: 3, decided: 3 }]);

    const fourth = await falls('s3');
    await look();
    expect(runs.started.at(-1)?.askFirst).toBeUndefined();
    expect(await said(fourth)).toContainEqual(expect.stringContaining('It may act by itself'));
    await heals('s3');
    later(60);
    await falls('s3');
    await look();
    expect(await told('healing.autonomy-lost')).toMatchObject([
      { runbook: 'unproven', why: expect.stringContaining('came back soon') },
    ]);
    expect(runs.started.at(-1)?.askFirst).toMatchObject({ rule: 'healing-record' });
    expect(await standing()).toMatchObject({ mayActItself: false });
  });

  it('survives the death of Steward, and is lost below the floor', async () => {
    for (let round = 0; round < 3; round += 1) {
      await falls(`s${round}`);
      await look();
      await heals(`s${round}`);
    }
    await healing.stop();
    healing = build();
    expect(await standing()).toMatchObject({ mayActItself: true });
    for (let round = 3; round < 6; round += 1) {
      await falls(`s${round}`);
      await look();
      await fails();
      monitor.set(`s${round}`, 'up');
    }
    expect(await standing()).toMatchObject({ mayActItself: false, autonomy: expect.stringContaining('3 of 6') });
  });

  it('is given by nobody who does not look at the record: a pardon begins it anew', async () => {
    for (let round = 0; round < 3; round += 1) {
      await falls(`s${round}`);
      await look();
      await heals(`s${round}`);
    }
    await show('forgive-runbook', { name: 'unproven' });
    expect(await standing()).toMatchObject({ mayActItself: false });
  });
});

describe('the limit of all of them together', () => {
  it('holds over a new start of Steward, is told once, calls a person for what is critical, and is over by itself', async () => {
    settings = { ...HEALING, disruptivePerHour: 2 };
    for (const id of ['s0', 's1']) await falls(id);
    await look();
    for (const id of ['s0', 's1']) monitor.set(id, 'up');
    await healing.stop();
    healing = build();
    const waiting = await falls('s2');
    const other = await falls('s3');
    const vip = await falls('vip');
    await look();
    await look();
    expect(runs.started).toHaveLength(2);
    expect([await status(waiting), await status(other), await status(vip)]).toEqual(['open', 'open', 'escalated']);
    expect((await said(waiting)).filter((message) => message.includes('which is its limit'))).toHaveLength(1);
    expect((await told('incident.opened')).filter(({ fingerprint }) => fingerprint === 'healing.limited')).toHaveLength(
      1,
    );
    expect(await show('healing', {})).toMatchObject({ disruptivePerHour: 2, disruptiveThisHour: 2 });

    // What disturbs nobody is not held up by it.
    await falls('db', 'process.frozen');
    await look();
    expect(started().at(-1)).toBe('resume-process');

    later(3_601);
    await look();
    await look();
    expect(runs.started.length).toBeGreaterThan(3);
    later(3_601);
    settings = { ...settings, disruptivePerHour: 50 };
    await look();
    expect(await incidents.byFingerprint('healing.limited')).toMatchObject({ status: 'resolved' });
  });
});

describe('what must not be disturbed', () => {
  it('is left alone while a backup of what it needs runs, and healed afterwards', async () => {
    parts.automation = (name: string) => (name === 'backup-db' ? ({ category: 'backup' } as never) : undefined);
    healing = build();
    await runs.start({ automation: 'backup-db', input: {}, trigger: 'schedule', actor: systemActor('test') });
    runs.workOn(0, 'db');
    const incident = await falls('web');
    await look();
    await look();
    expect(runs.started).toHaveLength(1);
    expect((await said(incident)).filter((message) => message.includes('backup-db (run_0) works on db'))).toHaveLength(
      1,
    );
    runs.end(0, 'succeeded');
    await look();
    expect(started()).toEqual(['backup-db', 'restart-service']);
  });

  it('is left alone while its own data is copied or restored, and not while the same run copies something else', async () => {
    const known = parts.automation;
    const category = 'backup' as const;
    parts.automation = (name) => (name.endsWith('backup') ? ({ ...known('backup'), category } as never) : known(name));
    parts.sourceOf = ({ id }) => (id === 'web' ? 'shop' : undefined);
    healing = build();
    const change = (id: string, status: 'done' | 'running') =>
      ({ id, title: id, undo: 'none', status, attempts: 1 }) as const;
    await runs.start({ automation: 'backup', input: {}, trigger: 'schedule', actor: systemActor('test') });
    runs.set(0, 'running', { changes: [change('etc@disk', 'done'), change('shop@disk', 'running')] });
    const incident = await falls('web');
    await look();
    expect(started()).toEqual(['backup']);
    expect((await said(incident)).join()).toContain('backup (run_0) works on web, the source shop; healing waits');

    await runs.start({
      automation: 'restore-backup',
      input: { source: 'shop' },
      trigger: 'cli',
      actor: systemActor('test'),
    });
    runs.set(0, 'running', { changes: [change('shop@disk', 'done'), change('other@disk', 'running')] });
    await look();
    expect(started()).toEqual(['backup', 'restore-backup']);
    runs.end(1, 'succeeded');
    await look();
    expect(started()).toEqual(['backup', 'restore-backup', 'restart-service']);
  });

  it('is left alone while its schema is migrated, and while its tables are looked after', async () => {
    const known = parts.automation;
    const category = 'database' as const;
    parts.automation = (name) => (name.endsWith('database') ? ({ ...known('x'), category } as never) : known(name));
    parts.sourceOf = ({ id }) => (id === 'web' ? 'shop' : undefined);
    healing = build();
    const by = { trigger: 'cli', actor: systemActor('test') } as const;
    await runs.start({ automation: 'migrate-database', input: { name: 'tables' }, ...by });
    runs.set(0, 'running', { facts: { target: { source: 'shop', database: 'shop' } } });
    await falls('web');
    await look();
    expect(started()).toEqual(['migrate-database']);
    runs.end(0, 'succeeded');
    await runs.start({ automation: 'maintain-database', input: {}, ...by });
    const vacuum = {
      id: 'vacuum:shop:shop:orders',
      title: 'Vacuum',
      undo: 'none',
      status: 'running',
      attempts: 1,
    } as const;
    runs.set(1, 'running', { changes: [vacuum] });
    await look();
    expect(started()).toEqual(['migrate-database', 'maintain-database']);
    runs.end(1, 'succeeded');
    await look();
    expect(started()).toEqual(['migrate-database', 'maintain-database', 'restart-service']);
  });

  it('is left alone in a maintenance window, and by a label that says so', async () => {
    window = { id: 'mw_1', reason: 'a new disk' };
    const incident = await falls('db');
    await look();
    expect(runs.started).toEqual([]);
    expect(await said(incident)).toContainEqual(expect.stringContaining('maintenance window (a new disk, mw_1)'));
    window = undefined;
    await look();
    expect(runs.started).toHaveLength(1);
    const held = await falls('held');
    await look();
    expect(runs.started).toHaveLength(1);
    expect(await said(held)).toContainEqual(expect.stringContaining('a migration by hand'));
  });

  it('is given the start period of its HEALTHCHECK, and no longer than ten minutes', async () => {
    parts.ports.docker.run('boxed', { health: 'starting' });
    const incident = await falls('boxed');
    await look();
    expect(runs.started).toEqual([]);
    expect(await said(incident)).toContainEqual(expect.stringContaining('start period of its HEALTHCHECK'));
    later(601);
    await look();
    expect(runs.started).toHaveLength(1);
  });
});
