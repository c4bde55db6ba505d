import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { byTheClock, type ClockNode, clockWorld } from '../testing/clock-world.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { memoryLog } from '../testing/log.ts';
import { createReconciler, type Reconciler } from './reconcile.ts';
import type { Reconciliation } from './reconciliation.ts';
import { engineMigrations } from './tables.ts';

const DAY_MS = 86_400_000;

describe('the nightly comparison of what ran with what should have run', () => {
  let database: TestDatabase;
  let world: ReturnType<typeof clockWorld>;
  let reported: Reconciliation[];
  beforeEach(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    world = clockWorld(new Date('2026-05-05T00:00:30Z'));
    reported = [];
  }, 60_000);
  afterEach(async () => {
    await database?.drop();
  });

  const reconcilerOf = ({ schedules }: ClockNode): Reconciler =>
    createReconciler({
      store: database.store,
      now: world.now,
      log: memoryLog(),
      nodeId: 'node_a',
      schedules,
      keptMs: () => 90 * DAY_MS,
      onDifference: async (report) => void reported.push(report),
    });
  const sql = async (text: string): Promise<unknown[]> => (await database.store.pool.query(text)).rows;

  it('finds nothing where all ran, was paused, was stopped, was missed or has changed meanwhile', async () => {
    let why: 'paused' | 'stopped' | undefined;
    const held = async () => why;
    const hourly = byTheClock('hourly', { cron: '0 * * * *' });
    const first = world.node(database.store, [hourly], { held });
    await first.schedules.tick();
    await world.pass([first], '2026-05-05T06:30:00Z', database.store);
    why = 'paused';
    await world.pass([first], '2026-05-05T08:30:00Z', database.store);
    why = 'stopped';
    await world.pass([first], '2026-05-05T09:30:00Z', database.store);
    why = undefined;
    // Down for three hours, and back with another schedule of the same name.
    world.set('2026-05-05T12:30:00Z');
    const second = world.node(database.store, [hourly], { held });
    await second.schedules.tick();
    const third = world.node(database.store, [byTheClock('hourly', { cron: '15 * * * *' })], { held });
    await third.schedules.tick();
    await world.pass([third], '2026-05-05T14:30:00Z', database.store);

    const report = await reconcilerOf(third).reconcile();
    // 01:00 to 12:00 by the first words, 13:15 and 14:15 by the others; 12:15 came before they held.
    expect(report).toMatchObject({ due: 14, ran: 8, excused: 6, differences: [] });
    expect(reported).toEqual([]);
  }, 60_000);

  it('reports a run that was deleted behind its back, once, and goes on from there', async () => {
    const node = world.node(database.store, [byTheClock('hourly', { cron: '0 * * * *' })]);
    await node.schedules.tick();
    await world.pass([node], '2026-05-05T06:30:00Z', database.store);
    await sql("delete from workflow_executions where context->>'scheduledFor' = '2026-05-05T03:00:00.000Z'");

    const reconciler = reconcilerOf(node);
    const report = await reconciler.reconcile();
    expect(report).toMatchObject({
      due: 6,
      ran: 5,
      differences: [
        {
          kind: 'deleted',
          schedule: 'hourly:0',
          instant: '2026-05-05T03:00:00.000Z',
          execution: expect.stringMatching(/^exe_/),
          message: 'hourly:0 at 2026-05-05T03:00:00.000Z: it was started, and its execution is gone',
        },
      ],
    });
    expect(reported).toEqual([report]);
    expect(await sql("select data->>'reconciliationId' as id from events where type = 'schedule.differs'")).toEqual([
      { id: report.id },
    ]);
    expect(await reconciler.reports(5)).toEqual([report]);

    await world.pass([node], '2026-05-05T08:30:00Z', database.store);
    expect(await reconciler.reconcile()).toMatchObject({ due: 2, ran: 2, differences: [] });
    expect(await reconciler.reconcile({ sinceMs: DAY_MS })).toMatchObject({
      due: 8,
      differences: [{ kind: 'deleted' }],
    });
  }, 60_000);

  it('reports what ran without being due, what nothing became of, and what is not on record', async () => {
    const node = world.node(database.store, [byTheClock('hourly', { cron: '0 * * * *' })]);
    await node.schedules.tick();
    await world.pass([node], '2026-05-05T06:30:00Z', database.store);
    const moved = (from: string, to: string): string =>
      `update workflow_executions set context = jsonb_set(context, '{scheduledFor}', '"${to}"') where context->>'scheduledFor' = '${from}'`;
    await sql(moved('2026-05-05T02:00:00.000Z', '2026-05-05T02:07:00.000Z'));
    await sql("delete from schedule_firings where instant in ('2026-05-05T04:00Z', '2026-05-05T05:00Z')");
    await sql("delete from workflow_executions where context->>'scheduledFor' = '2026-05-05T05:00:00.000Z'");
    const { differences } = await reconcilerOf(node).reconcile();
    expect(differences.map(({ kind, instant }) => `${instant.slice(11, 16)} ${kind}`).toSorted()).toEqual([
      '02:00 deleted',
      '02:07 not-due',
      '04:00 unrecorded',
      '05:00 absent',
    ]);
  }, 60_000);
});
