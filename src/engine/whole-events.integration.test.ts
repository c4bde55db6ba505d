import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { JsonObject } from '../core/json.ts';
import { defineWorkflow } from '../core/workflow.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { aChain, type EngineFixture, engineOn, operator, scratch } from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

/** What the events of this test leave out, by their subject. */
const LEFT_OUT: Readonly<Record<string, JsonObject>> = {
  one: { ref: 'main', about: 'a', text: 'x'.repeat(200_000) },
  two: { ref: 'main', about: 'b' },
  three: { ref: 'other', about: 'a' },
  wordy: { ref: 'main', about: randomBytes(10_000).toString('hex') },
  long: { ref: 'main', about: 'c', text: 'x'.repeat(3 * 1024 * 1024) },
};

describe('events that carry only a part of what they tell of', () => {
  let database: TestDatabase;
  let fixture: EngineFixture;
  let place: Awaited<ReturnType<typeof scratch>>;
  const main = [{ from: 'data.data.ref', equals: 'main' }];
  const append = async (subject: string): Promise<number> => {
    const event = await database.store.db.transaction().execute((trx) =>
      database.store.events.append(trx, {
        type: 'webhook.received',
        subject: { kind: 'webhook', id: subject },
        data: { data: null, bytes: 1 },
      }),
    );
    return event.id;
  };
  const executions = async (name: string) => (await fixture.engine.workflows.executions(name, { limit: 50 })).items;

  beforeAll(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    place = await scratch();
    const steps = [{ id: 'count', title: 'count', automation: 'count-lines', input: () => ({ file: place.file }) }];
    const chain = { ...aChain, steps };
    fixture = engineOn(database.store, {
      wholeEvent: async (event) => ({
        ...event,
        data: { ...event.data, data: LEFT_OUT[event.subject?.id ?? ''] ?? {} },
      }),
      workflows: [
        defineWorkflow({
          ...chain,
          name: 'at_once',
          triggers: [{ kind: 'event', event: 'webhook.received', where: main }],
        }),
        defineWorkflow({
          ...chain,
          name: 'together',
          triggers: [
            { kind: 'event', event: 'webhook.received', where: main, by: ['data.data.about'], debounce: '1s' },
          ],
        }),
        defineWorkflow({
          ...chain,
          name: 'waits',
          triggers: [],
          steps: [
            {
              id: 'push',
              title: 'push',
              wait: {
                event: 'webhook.received',
                where: [{ from: 'data.data.about', equals: 'b' }],
                timeout: '1m',
                onTimeout: 'fail',
              },
            },
            ...steps,
          ],
        }),
      ],
    });
    await fixture.engine.start();
  }, 60_000);
  afterAll(async () => {
    await fixture?.engine.stop();
    await database?.drop();
    await place?.remove();
  });

  it('start, are waited for and are told by all of it', async () => {
    const waiting = await fixture.engine.workflows.execute('waits', { context: {}, trigger: 'api', actor: operator });
    await expect.poll(async () => (await executions('waits'))[0]?.status, { timeout: 20_000 }).toBe('waiting');
    const [one, two] = [await append('one'), await append('two'), await append('three')];
    await expect.poll(async () => (await executions('at_once')).length, { timeout: 20_000 }).toBe(2);
    await expect.poll(async () => (await executions('together')).length, { timeout: 20_000 }).toBe(2);

    for (const name of ['at_once', 'together']) {
      const listed = await executions(name);
      const contexts = await Promise.all(
        listed.map(async ({ id }) => (await fixture.engine.workflows.execution(id))?.context ?? {}),
      );
      const byEvent = new Map(contexts.map((context) => [(context['event'] as { id: number }).id, context]));
      expect(byEvent.get(one)).toMatchObject({ data: LEFT_OUT['one'] });
      expect(byEvent.get(two)).toMatchObject({ data: LEFT_OUT['two'] });
      // A list is read at once, whatever they were told.
      const inList = listed.find(({ context }) => (context['event'] as { id: number }).id === one);
      expect(Object.keys(inList?.context ?? {})).toEqual(['event']);
    }
    await expect
      .poll(async () => (await fixture.engine.workflows.execution(waiting.id))?.status, { timeout: 20_000 })
      .toBe('succeeded');
    expect((await fixture.engine.workflows.execution(waiting.id))?.outputs).toMatchObject({
      push: { event: { id: two, data: { data: LEFT_OUT['two'] } } },
    });
  }, 60_000);

  it('start by what is too long to be carried along', async () => {
    const id = await append('long');
    await expect.poll(async () => (await executions('at_once')).length, { timeout: 20_000 }).toBe(3);
    const [newest] = await executions('at_once');
    expect(newest?.context).toMatchObject({ event: { id }, data: null, bytes: 1 });
  }, 60_000);

  it('belong together by a text of any length', async () => {
    const ids = [await append('wordy'), await append('wordy')];
    const events = async () => (await executions('together')).map(({ context }) => context['event']);
    await expect.poll(events, { timeout: 20_000 }).toContainEqual(expect.objectContaining({ id: ids[1], count: 2 }));
  }, 60_000);
});
