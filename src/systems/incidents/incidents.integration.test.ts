import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { systemActor } from '../../core/actor.ts';
import type { EventType } from '../../core/event.ts';
import type { Incident, NewIncident } from '../../core/incident.ts';
import type { AnyOperation } from '../../core/operation.ts';
import { memoryLog } from '../../testing/log.ts';
import { changesOf } from '../../testing/changes.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import {
  fakeEvidence,
  fakeMonitor,
  type FakeMonitor,
  watchedInventory,
  watchedService,
} from '../../testing/watched-world.ts';
import { createIncidents, incidentsMigrations } from './index.ts';

const RESOURCES = ['db', 'cache', 'app', 'worker'].map((id) => watchedService(id));
const NEEDS = { app: ['db', 'cache'], worker: ['app'] };
const start = new Date('2026-03-01T12:00:00Z');
const person = { ...systemActor('test'), kind: 'user' as const, name: 'Ada' };

let database: TestDatabase;
let monitor: FakeMonitor;
let at: Date;
let incidents: ReturnType<typeof createIncidents>;
const now = (): Date => at;
const later = (seconds: number): void => void (at = new Date(at.getTime() + seconds * 1_000));

function build(resources = RESOURCES): typeof incidents {
  return createIncidents({
    store: database.store,
    inventory: watchedInventory(resources, NEEDS),
    monitor,
    evidence: fakeEvidence(),
    changes: changesOf(database.store),
    node: { id: 'node_1', name: 'here' },
    now,
    log: memoryLog(),
    upkeepMs: () => 50,
  });
}

beforeEach(async () => {
  at = start;
  database = await testDatabase({ migrations: incidentsMigrations, now });
  monitor = fakeMonitor(now);
  incidents = build();
});

afterEach(async () => {
  await incidents.stop();
  await database.drop();
});

/** What monitoring does: the state and its event. */
async function say(type: EventType, id: string): Promise<void> {
  const state = type.replace('service.', '') as 'up' | 'down' | 'stopped' | 'degraded';
  if (type.startsWith('service.')) monitor.set(id, state);
  await database.store.db
    .transaction()
    .execute((trx) => database.store.events.append(trx, { type, subject: { kind: 'service', id }, data: { state } }));
}

const eventually = <T>(look: () => Promise<T | undefined | false>) =>
  vi.waitUntil(look, { timeout: 5_000, interval: 25 });

const byResource = async (id: string): Promise<Incident | undefined> => incidents.byFingerprint(`service.down:${id}`);
// Straight from the table: `read` holds back what was committed while any other transaction still runs.
const told = async (type: EventType): Promise<unknown[]> =>
  (await database.store.pool.query('select data from events where type = $1 order by id', [type])).rows.map(
    ({ data }) => data,
  );

/** What the engine tells at the end of a run. */
async function runEnds(type: EventType, data: object = {}, from = 'node_1'): Promise<void> {
  await database.store.db.transaction().execute((trx) =>
    database.store.events.append(trx, {
      type,
      subject: { kind: 'run', id: 'run_1' },
      node: from,
      data: {
        runId: 'run_1',
        automation: 'clean-temp-files',
        status: 'failed',
        trigger: 'schedule',
        dryRun: false,
        error: { code: 'UNAVAILABLE', message: 'the disk is away' },
        ...data,
      },
    }),
  );
}

async function call(name: string, input: object): Promise<never> {
  const operation = incidents.operations.find((candidate: AnyOperation) => candidate.name === name);
  if (!operation) throw new Error(`There is no operation ${name}.`);
  const parsed = operation.input.parse(input);
  return operation.output.parse(
    await operation.handle(parsed, { actor: person, now: now(), from: 'local', requestId: 'r1' }),
  ) as never;
}

const problem: NewIncident = {
  fingerprint: 'run.failed:x',
  title: 'A run failed',
  symptom: 'run.failed',
  severity: 'warning',
  evidence: { password: 'hunter2', note: 'Bearer abcdefghijkl' },
};

describe('the ledger of incidents', () => {
  it('keeps one open incident for a fingerprint, however often and from however many sides it is opened', async () => {
    const opened = await Promise.all(Array.from({ length: 6 }, () => incidents.open(problem)));
    expect(new Set(opened.map(({ id }) => id)).size).toBe(1);
    expect(await byFingerprint()).toMatchObject({ occurrences: 6, status: 'open' });
    expect(await told('incident.opened')).toHaveLength(1);
  });

  const byFingerprint = () => incidents.byFingerprint(problem.fingerprint);

  it('reopens one that was resolved within the hour, and opens another after it', async () => {
    const first = await incidents.open(problem);
    await incidents.resolve(first.id, 'fixed');
    later(3_500);
    const second = await incidents.open(problem);
    expect(second).toMatchObject({ id: first.id, status: 'open', occurrences: 2 });
    await incidents.resolve(first.id, 'fixed again');
    later(3_700);
    expect((await incidents.open(problem)).id).not.toBe(first.id);
  });

  it('is handed to a person as its own where the one that explained it is over, and only there', async () => {
    const parent = await incidents.open({ ...problem, fingerprint: 'service.down:db' });
    const [early, late] = await Promise.all(
      ['early', 'late'].map((fingerprint) => incidents.open({ ...problem, fingerprint, parentId: parent.id })),
    );
    await incidents.escalate(early?.id ?? '', 'three attempts', {});
    expect(await incidents.get(early?.id ?? '')).toMatchObject({ status: 'escalated', parentId: parent.id });
    await incidents.resolve(parent.id, 'It answers again.');
    await incidents.escalate(late?.id ?? '', 'three attempts', {});
    expect((await incidents.get(late?.id ?? ''))?.parentId).toBeUndefined();
  });

  it('escalates once, and a reopened one that was escalated within the hour stays with the person', async () => {
    const { id } = await incidents.open(problem);
    expect(await incidents.escalate(id, 'three attempts', { attempts: 3 })).toBe(true);
    expect(await incidents.escalate(id, 'three attempts', { attempts: 3 })).toBe(false);
    await incidents.setStatus(id, 'healing');
    expect((await incidents.get(id))?.status).toBe('escalated');
    await incidents.resolve(id, 'somebody came');
    later(60);
    expect(await incidents.open(problem)).toMatchObject({ id, status: 'escalated' });
    expect(await told('incident.escalated')).toHaveLength(1);
  });

  it('keeps no secret of the evidence', async () => {
    const { id } = await incidents.open(problem);
    const shown: { evidence: object } = await call('incident-get', { id });
    expect(JSON.stringify(shown)).not.toMatch(/hunter2|abcdefghijkl/);
    expect(shown.evidence).toMatchObject({ password: '[redacted]' });
  });

  it('says of an unknown id where to look', async () => {
    await expect(incidents.note('inc_none', { kind: 'note', message: 'x' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
      hint: expect.stringContaining('steward incidents'),
    });
  });
});

describe('what monitoring says', () => {
  beforeEach(() => incidents.start());

  it('opens one incident with the evidence of the instant, and closes it when the service is back by itself', async () => {
    await say('service.up', 'cache');
    await say('service.down', 'db');
    const incident = await eventually(() => byResource('db'));
    expect(incident).toMatchObject({ severity: 'critical', status: 'open', title: 'db is down: connection refused' });
    const shown: {
      evidence: { changed: { title: string }[]; hypotheses: { statement: string }[] };
      timeline: { kind: string }[];
    } = await call('incident-get', { id: incident.id });
    expect(shown.evidence).toMatchObject({ collected: { logs: ['db: last words'] }, symptom: { state: 'down' } });
    expect(shown.evidence.changed.map(({ title }) => title)).toContain('cache is up');

    await say('service.up', 'db');
    await eventually(async () => (await byResource('db'))?.status === 'resolved');
    expect(await told('incident.resolved')).toHaveLength(1);
  });

  it('makes a service the child of the dead one that it needs, and closes it with its parent', async () => {
    await say('service.down', 'db');
    const parent = await eventually(() => byResource('db'));
    await say('service.down', 'app');
    const child = await eventually(() => byResource('app'));
    expect(child).toMatchObject({ parentId: parent.id, status: 'open' });
    expect(await told('incident.opened')).toMatchObject([
      { incidentId: parent.id, suppressed: false },
      { incidentId: child.id, parentId: parent.id, suppressed: true },
    ]);

    monitor.set('app', 'up');
    await say('service.up', 'db');
    await eventually(async () => (await byResource('app'))?.status === 'resolved');
  });

  it('keeps quiet about one whose dependency fails too, until it is clear which of them it is', async () => {
    monitor.set('db', 'up', { failures: 1 });
    await say('service.down', 'app');
    const child = await eventually(() => byResource('app'));
    expect(child.parentId).toBeUndefined();
    expect(await told('incident.opened')).toEqual([]);

    await say('service.down', 'db');
    const parent = await eventually(() => byResource('db'));
    await eventually(async () => (await byResource('app'))?.parentId === parent.id);
    expect(await told('incident.opened')).toMatchObject([{ incidentId: parent.id }]);
  });

  it('tells of the held one after all when its suspect turns out well', async () => {
    monitor.set('db', 'up', { failures: 1 });
    await say('service.down', 'app');
    const child = await eventually(() => byResource('app'));
    monitor.set('db', 'up');
    await eventually(async () => (await told('incident.opened')).length === 1);
    expect(await told('incident.opened')).toMatchObject([{ incidentId: child.id, suppressed: false, released: true }]);
  });

  it('frees a child that stays down after its parent is back', async () => {
    await say('service.down', 'db');
    const parent = await eventually(() => byResource('db'));
    await say('service.down', 'app');
    await eventually(async () => (await byResource('app'))?.parentId === parent.id);
    await say('service.up', 'db');
    await eventually(async () => (await byResource('db'))?.status === 'resolved');
    later(61);
    await eventually(async () => (await byResource('app'))?.parentId === undefined);
    expect((await byResource('app'))?.status).toBe('open');
  });

  it('does nothing about a service that was stopped on purpose, and closes what was open', async () => {
    await say('service.stopped', 'cache');
    await say('service.down', 'db');
    await eventually(() => byResource('db'));
    await say('service.stopped', 'db');
    await eventually(async () => (await byResource('db'))?.resolution === 'It was stopped on purpose.');
    expect(await byResource('cache')).toBeUndefined();
  });

  it('leaves one that is being healed to the end of its soak window', async () => {
    await say('service.down', 'db');
    const { id } = await eventually(() => byResource('db'));
    await incidents.setStatus(id, 'healing');
    await say('service.up', 'db');
    await eventually(async () =>
      ((await call('incident-get', { id })) as { timeline: { kind: string }[] }).timeline.some(
        ({ kind }) => kind === 'symptom',
      ),
    );
    expect((await incidents.get(id))?.status).toBe('healing');
  });

  it('warns of a service that has been degraded for ten minutes, not before', async () => {
    await say('service.degraded', 'db');
    later(590);
    await say('service.down', 'cache');
    await eventually(() => byResource('cache'));
    expect(await incidents.byFingerprint('service.degraded:db')).toBeUndefined();
    later(20);
    expect(await eventually(() => incidents.byFingerprint('service.degraded:db'))).toMatchObject({
      severity: 'warning',
    });
  });

  it('notices one that is down although its event was lost', async () => {
    monitor.set('db', 'down');
    later(301);
    expect(await eventually(() => byResource('db'))).toMatchObject({ status: 'open' });
  });

  it('leaves the services of other nodes to them', async () => {
    await incidents.stop();
    incidents = build([watchedService('far', { node: 'there' }), watchedService('near')]);
    await incidents.start();
    await say('service.down', 'far');
    await say('service.down', 'near');
    await eventually(() => byResource('near'));
    expect(await byResource('far')).toBeUndefined();
  });

  it('closes the incident of a removed unit, and keeps that of a process which merely vanished', async () => {
    await incidents.stop();
    incidents = build([watchedService('unit'), watchedService('bare', { supervisor: { kind: 'none' } })]);
    await incidents.start();
    for (const id of ['unit', 'bare']) await say('service.down', id);
    await eventually(async () => (await byResource('unit')) && (await byResource('bare')));
    for (const id of ['unit', 'bare']) await say('resource.gone', id);
    await eventually(async () => (await byResource('unit'))?.status === 'resolved');
    expect((await byResource('bare'))?.status).toBe('open');
  });
});

describe('the operations about incidents', () => {
  it('list page by page what is unresolved or recent, the latest first', async () => {
    const old = await incidents.open({ ...problem, fingerprint: 'old' });
    await incidents.resolve(old.id, 'long ago');
    later(90_000);
    for (const fingerprint of ['a', 'b', 'c']) {
      later(1);
      await incidents.open({ ...problem, fingerprint });
    }
    const first: { items: Incident[]; next: string } = await call('incidents', { limit: 2 });
    expect(first.items.map(({ fingerprint }) => fingerprint)).toEqual(['c', 'b']);
    const second: { items: Incident[]; next?: string } = await call('incidents', { limit: 2, cursor: first.next });
    expect(second.items.map(({ fingerprint }) => fingerprint)).toEqual(['a']);
    expect(second.next).toBeUndefined();
    expect(((await call('incidents', { status: 'all' })) as { items: Incident[] }).items).toHaveLength(4);
    await expect(call('incidents', { cursor: 'nonsense' })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });

  it('acknowledge, note and resolve, each with the name of who did it', async () => {
    const { id } = await incidents.open(problem);
    expect(await call('acknowledge-incident', { id, note: 'on my way' })).toMatchObject({ acknowledgedBy: 'Ada' });
    await call('note-incident', { id, note: 'it is the disk' });
    expect(await call('resolve-incident', { id, resolution: 'new disk' })).toMatchObject({
      status: 'resolved',
      resolution: 'new disk',
    });
    const { timeline }: { timeline: { kind: string; actor?: { name: string } }[] } = await call('incident-get', { id });
    expect(timeline.map(({ kind, actor }) => [kind, actor?.name])).toEqual([
      ['opened', undefined],
      ['acknowledged', 'Ada'],
      ['note', 'Ada'],
      ['note', 'Ada'],
      ['resolved', 'Ada'],
    ]);
    await expect(call('acknowledge-incident', { id })).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  });
});

describe('a run that failed', () => {
  const fingerprint = 'run.failed:clean-temp-files:node_1';

  it('opens one incident, however often, and is over when the same work succeeds', async () => {
    await incidents.start();
    await runEnds('run.failed');
    await runEnds('run.rolled-back', { status: 'rolled-back' });
    const incident = await eventually(async () => {
      const found = await incidents.byFingerprint(fingerprint);
      return found?.occurrences === 2 && found;
    });
    expect(incident).toMatchObject({
      symptom: 'run.failed',
      severity: 'warning',
      title: 'clean-temp-files failed: the disk is away',
    });
    expect(await told('incident.opened')).toHaveLength(1);

    await runEnds('run.succeeded', { status: 'succeeded', dryRun: true });
    await runEnds('run.succeeded', { status: 'succeeded', target: { id: 'db', name: 'db', critical: false } });
    await runEnds('run.succeeded', { status: 'succeeded' });
    await eventually(async () => (await incidents.get(incident.id))?.status === 'resolved');
    expect(await incidents.get(incident.id)).toMatchObject({ resolution: 'It succeeded: run run_1.' });
  });

  it('is critical where it could not be taken back, or its target is', async () => {
    await incidents.start();
    await runEnds('run.failed', { status: 'rollback-failed' });
    await runEnds('run.failed', { target: { id: 'db', name: 'the database', critical: true } });

    expect(
      await eventually(async () => await incidents.byFingerprint('run.rollback-failed:clean-temp-files:node_1')),
    ).toMatchObject({
      severity: 'critical',
      title: 'clean-temp-files failed and could not be taken back: the disk is away',
    });
    expect(await eventually(async () => await incidents.byFingerprint('run.failed:clean-temp-files:db'))).toMatchObject(
      { severity: 'critical', resourceId: 'db' },
    );

    await runEnds('run.succeeded', { status: 'succeeded' });
    await runEnds('run.failed', { automation: 'the-last' });
    await eventually(async () => await incidents.byFingerprint('run.failed:the-last:node_1'));
    expect(await incidents.byFingerprint('run.rollback-failed:clean-temp-files:node_1')).toMatchObject({
      status: 'open',
    });
  });

  it('is told of where nobody waits for the answer', async () => {
    await incidents.start();
    const asked = { trigger: 'cli', error: { code: 'PRECONDITION_FAILED', message: 'not adopted' } };
    await runEnds('run.failed', { dryRun: true });
    await runEnds('run.failed', { trigger: 'healing' });
    await runEnds('run.failed', asked);
    await runEnds('run.rolled-back', { error: { code: 'PLAN_STALE', message: 'moved' } });
    await runEnds('run.failed', {}, 'node_2');
    await runEnds('run.failed', { ...asked, trigger: 'event', automation: 'the-last' });

    await eventually(async () => await incidents.byFingerprint('run.failed:the-last:node_1'));
    expect(await incidents.byFingerprint(fingerprint)).toBeUndefined();
  });

  it('is told of a workflow of which a step could not be started, and not twice of one whose run failed', async () => {
    await incidents.start();
    const data = { executionId: 'exe_1', workflow: 'nightly', status: 'failed', trigger: 'schedule' };
    await runEnds('workflow.finished', {
      ...data,
      workflow: 'told',
      steps: [{ id: 'a', status: 'failed', runId: 'run_1' }],
    });
    await runEnds('workflow.finished', { ...data, steps: [{ id: 'a', status: 'failed', message: 'no such service' }] });
    expect(await eventually(async () => await incidents.byFingerprint('workflow.failed:nightly'))).toMatchObject({
      title: "The workflow nightly could not go on at 'a': no such service",
    });
    expect(await incidents.byFingerprint('workflow.failed:told')).toBeUndefined();

    await runEnds('workflow.finished', { ...data, status: 'succeeded', steps: [] });
    await eventually(async () => (await incidents.byFingerprint('workflow.failed:nightly'))?.status === 'resolved');
  });

  it('is told of a workflow that what happened could not start, until a person has seen to it', async () => {
    await incidents.start();
    await runEnds('workflow.not-started', {
      workflow: 'book',
      event: { id: 7, type: 'webhook.received' },
      error: { code: 'INTERNAL', message: 'nothing of it is stored' },
    });
    expect(await eventually(async () => await incidents.byFingerprint('workflow.not-started:book'))).toMatchObject({
      title: 'The workflow book could not be started by webhook.received: nothing of it is stored',
    });
    await runEnds('workflow.finished', { workflow: 'book', status: 'succeeded', steps: [] });
    await runEnds('run.failed', { automation: 'the-last' });
    await eventually(async () => await incidents.byFingerprint('run.failed:the-last:node_1'));
    expect(await incidents.byFingerprint('workflow.not-started:book')).toMatchObject({ status: 'open' });
  });
});

describe('a node that fell silent', () => {
  const nodeSays = (type: EventType, from: string, removed = false) =>
    database.store.db.transaction().execute((trx) =>
      database.store.events.append(trx, {
        type,
        subject: { kind: 'node', id: 'node_2' },
        data: { node: 'node_2', name: 'there', removed },
        node: from,
      }),
    );
  const incident = async () => await incidents.byFingerprint('node.lost:node_2');

  it('is an incident, opened by whoever declared it, until it is heard again or removed', async () => {
    await incidents.start();
    const other = createIncidents({
      store: await database.openAnother(),
      inventory: watchedInventory(RESOURCES, NEEDS),
      monitor,
      evidence: fakeEvidence(),
      changes: changesOf(database.store),
      node: { id: 'node_2', name: 'there' },
      now,
      log: memoryLog(),
    });
    await other.start();

    await nodeSays('node.lost', 'node_1');
    expect(await eventually(incident)).toMatchObject({ symptom: 'node.lost', severity: 'critical', status: 'open' });
    await nodeSays('node.returned', 'node_2');
    await eventually(async () => (await incident())?.resolution === 'there is heard again.');
    await nodeSays('node.lost', 'node_1');
    await eventually(async () => (await incident())?.status === 'open');
    await nodeSays('node.left', 'node_1', true);
    await eventually(async () => (await incident())?.resolution === 'there was removed.');
    expect(await told('incident.opened')).toHaveLength(2);
    await other.stop();
  });
});
