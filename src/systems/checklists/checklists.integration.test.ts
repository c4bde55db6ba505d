import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { EventDraft } from '../../core/event.ts';
import type { AnyOperation, Call } from '../../core/operation.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { checklistMigrations, createChecklists } from './index.ts';

interface Item {
  readonly task: string;
  readonly state: string;
  readonly doneBy?: string;
  readonly note?: string;
}

const DAY_MS = 86_400_000;

describe('the checklists', () => {
  let database: TestDatabase;
  let clock = new Date('2026-11-03T12:00:00Z');
  beforeAll(async () => {
    database = await testDatabase({ migrations: checklistMigrations, now: () => clock });
  });
  afterAll(() => database?.drop());

  const system = () => createChecklists({ store: database.store });
  const perform = async (name: string, input: object): Promise<unknown> => {
    const operation = system().operations.find((each) => each.name === name) as AnyOperation;
    const call: Call = {
      actor: { kind: 'user', id: 'u', name: 'Ada', role: 'operator' },
      now: clock,
      from: 'local',
      requestId: 'r',
    };
    return await operation.handle(operation.input.parse(input), call);
  };
  const items = async (): Promise<ReadonlyMap<string, Item>> =>
    new Map(((await perform('checklists', {})) as { items: Item[] }).items.map((item) => [item.task, item]));
  const look = async (): Promise<void> => {
    const job = system().jobs.find(({ name }) => name === 'checklist-evidence');
    await job?.run({ now: clock, signal: new AbortController().signal });
  };
  const happened = (event: EventDraft) =>
    database.store.db.transaction().execute(async (trx) => void (await database.store.events.append(trx, event)));

  it('have what Steward did itself ticked off by what proves it, and all else open', async () => {
    await happened({ type: 'backup.proven', data: { source: 'shop', repository: 'here', restoreMs: 5 } });
    await happened({ type: 'alert.delivered', data: { channel: 'mail', kind: 'opened' } });
    await look();

    const found = await items();
    expect(found.get('restore-test')).toMatchObject({
      state: 'done',
      doneBy: 'steward',
      byPerson: false,
      note: 'the copy of shop in here was restored and compared',
    });
    // An alert is no test, and nobody has looked at the logs.
    expect(found.get('alert-delivery')?.state).toBe('open');
    expect(found.get('review-logs')?.state).toBe('open');
  });

  it('take the word of a person, who may take it back, and hold it above what was found', async () => {
    const token = 'ghp_0123456789abcdefghijABCDEFGHIJ012345';
    expect(await perform('tick-checklist', { task: 'review-logs', note: `one line had ${token}` })).toMatchObject({
      state: 'done',
      doneBy: 'Ada',
      byPerson: true,
      note: expect.not.stringContaining(token),
    });
    await perform('tick-checklist', { task: 'restore-test', note: 'on another machine' });
    await look();
    expect((await items()).get('restore-test')).toMatchObject({ doneBy: 'Ada', note: 'on another machine' });

    expect(await perform('untick-checklist', { task: 'restore-test' })).toMatchObject({ state: 'open' });
    await look();
    expect((await items()).get('restore-test')).toMatchObject({ state: 'done', doneBy: 'steward' });
    await expect(perform('untick-checklist', { task: 'restore-test' })).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
    });
  });

  it('are open again in the next period, and overdue when a whole one went by without it', async () => {
    clock = new Date(clock.getTime() + 7 * DAY_MS);
    expect((await items()).get('review-logs')).toMatchObject({ state: 'open', lastDoneAt: expect.any(Date) });
    // A week that began before Steward was there is nobody's fault.
    expect((await items()).get('security')?.state).toBe('open');

    clock = new Date(clock.getTime() + 7 * DAY_MS);
    const found = await items();
    expect(found.get('review-logs')?.state).toBe('overdue');
    expect(found.get('security')?.state).toBe('overdue');
    expect(found.get('tools')?.state).toBe('open');
  });

  it('forget what is older than two years', async () => {
    clock = new Date(clock.getTime() + 800 * DAY_MS);
    const job = system().jobs.find(({ name }) => name === 'checklist-retention');
    await job?.run({ now: clock, signal: new AbortController().signal });
    const left = await database.store.pool.query('select * from checklist_ticks');
    expect(left.rows).toEqual([]);
  });
});
