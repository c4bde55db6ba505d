import { setTimeout as sleep } from 'node:timers/promises';
import { sql } from 'kysely';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StewardError } from '../core/errors.ts';
import type { EventDraft, StewardEvent } from '../core/event.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import type { EventTables } from './event-tables.ts';
import { rebaseEvents } from './events.ts';
import type { Store } from './store.ts';

let database: TestDatabase;
let store: Store;
beforeEach(async () => {
  database = await testDatabase();
  store = database.store;
});
afterEach(async () => await database.drop());

const draft = (name: string, type: EventDraft['type'] = 'service.up'): EventDraft => ({
  type,
  data: { name },
  subject: { kind: 'service', id: name },
});

async function append(...names: string[]): Promise<StewardEvent[]> {
  const written: StewardEvent[] = [];
  for (const name of names)
    written.push(await store.db.transaction().execute((trx) => store.events.append(trx, draft(name))));
  return written;
}

function collect(
  from: Store = store,
  options: { consumer?: string; types?: EventDraft['type'][]; begin?: 'beginning' | 'now' } = {},
) {
  const seen: string[] = [];
  const consumer = from.events.consume({
    consumer: options.consumer ?? 'tests',
    types: options.types,
    from: options.begin,
    pollMs: 500,
    async handle({ data }) {
      seen.push(String(data['name']));
    },
  });
  return { seen, stop: () => consumer.stop() };
}

const eventually = (assertion: () => void | Promise<void>) => vi.waitFor(assertion, { timeout: 10_000, interval: 20 });

describe('append', () => {
  it('gives back what read gives later', async () => {
    const full: EventDraft = {
      ...draft('web'),
      node: 'n1',
      causation: { runId: 'r1', eventId: 7 },
      actor: { kind: 'system', id: 'system:x', name: 'x', role: 'operator' },
    };

    const written = await store.db.transaction().execute((trx) => store.events.append(trx, full));

    expect(await store.events.read()).toEqual([written]);
    expect(written).toMatchObject(full);
    expect(typeof written.id).toBe('number');
  });

  it('tells nothing of a state change that was rolled back', async () => {
    await store.db
      .transaction()
      .execute(async (trx) => {
        await store.events.append(trx, draft('never'));
        throw new Error('changed my mind');
      })
      .catch(() => undefined);

    await append('after');

    expect((await store.events.read()).map(({ data }) => data['name'])).toEqual(['after']);
  });

  it('refuses to write outside a transaction', async () => {
    await expect(store.events.append(store.db as never, draft('loose'))).rejects.toMatchObject({ code: 'INTERNAL' });
  });
});

describe('consumers', () => {
  it('see an event that commits late, and in its place', async () => {
    const slow = await store.db.startTransaction().execute();
    const fast = await store.db.startTransaction().execute();
    await store.events.append(slow, draft('slow'));
    await store.events.append(fast, draft('fast'));
    const { seen } = collect();
    await fast.commit().execute();
    await sleep(700); // one poll at least has looked past the event that is not committed

    expect(seen).toEqual([]);
    expect(await store.events.latestId()).toBe(0);
    await slow.commit().execute();

    await eventually(() => expect(seen).toEqual(['slow', 'fast']));
  });

  it('see a smaller id that commits after a larger one was handled', async () => {
    const { seen } = collect();
    await sql`select nextval(pg_get_serial_sequence('events', 'id'))`.execute(store.db);
    const [first] = await append('first');
    await eventually(() => expect(seen).toEqual(['first']));

    // Whoever took the smaller id is only now done: as when two nodes append at the same instant.
    await sql`insert into events (id, at, type, data) overriding system value values (${(first?.id ?? 0) - 1}, now(), 'service.up', '{"name":"late"}')`.execute(
      store.db,
    );
    await append('last');

    await eventually(() => expect(seen).toEqual(['first', 'late', 'last']));
  });

  it('resume where they stopped, and never twice after a clean stop', async () => {
    const before = collect();
    await append('a', 'b');
    await eventually(() => expect(before.seen).toEqual(['a', 'b']));
    await before.stop();
    await append('c');

    const after = collect();

    await eventually(() => expect(after.seen).toEqual(['c']));
  });

  it('get only the types they asked for, and move past the others', async () => {
    const { seen } = collect(store, { types: ['service.down'] });
    await append('up');
    await store.db.transaction().execute((trx) => store.events.append(trx, draft('down', 'service.down')));
    await append('up again');

    await eventually(async () => {
      expect(seen).toEqual(['down']);
      expect(await store.events.consumers()).toMatchObject([{ consumer: 'tests', behind: 0 }]);
    });
  });

  it('begin with what comes where they ask for it', async () => {
    await append('old');
    const { seen } = collect(store, { begin: 'now' });
    await eventually(async () => expect(await store.events.consumers()).toHaveLength(1));
    await append('new');

    await eventually(() => expect(seen).toEqual(['new']));
  });

  it('of one name are served by one node, and by the other when that one closes', async () => {
    const other = await database.openAnother();
    const here = collect();
    await append('first');
    await eventually(() => expect(here.seen).toEqual(['first']));
    const there = collect(other);
    await append('second');
    await eventually(() => expect(here.seen).toEqual(['first', 'second']));
    expect(there.seen).toEqual([]);

    await here.stop();
    await append('third');

    await eventually(() => expect(there.seen).toEqual(['third']));
    expect(here.seen).toEqual(['first', 'second']);
  });

  it('try an event again until its handler succeeds, keeping the order', async () => {
    const seen: string[] = [];
    let failures = 0;
    store.events.consume({
      consumer: 'flaky',
      backoffMs: 5,
      async handle({ data }) {
        if (data['name'] === 'a' && failures++ < 2) throw new Error('not yet');
        seen.push(String(data['name']));
      },
    });
    await append('a', 'b');

    await eventually(() => expect(seen).toEqual(['a', 'b']));
    expect(await store.events.deadLetters()).toEqual([]);
  });

  it('handle what is about different things at once where they say so, and what is about the same in its order', async () => {
    const begun: string[] = [];
    const ended: string[] = [];
    const open = Promise.withResolvers<void>();
    const consumer = store.events.consume({
      consumer: 'together',
      about: ({ data }) => String(data['name']).split(' ')[0],
      async handle({ data }) {
        begun.push(String(data['name']));
        await open.promise;
        ended.push(String(data['name']));
      },
    });
    try {
      await store.db.transaction().execute(async (trx) => {
        for (const name of ['a 1', 'b 1', 'a 2', 'c 1']) await store.events.append(trx, draft(name));
      });
      await eventually(() => expect(begun).toEqual(['a 1', 'b 1']));
      expect(ended).toEqual([]);
      open.resolve();
      await eventually(() => expect(ended).toEqual(['a 1', 'b 1', 'a 2', 'c 1']));
    } finally {
      open.resolve();
      await consumer.stop();
    }
  });

  it('set a poison event aside, visibly, and go on', async () => {
    const seen: string[] = [];
    store.events.consume({
      consumer: 'healing',
      attempts: 3,
      backoffMs: 5,
      async handle({ data }) {
        if (data['name'] === 'poison') throw new StewardError('NOT_FOUND', 'Service poison is unknown.');
        seen.push(String(data['name']));
      },
    });
    const [poison] = await append('poison', 'next');

    await eventually(() => expect(seen).toEqual(['next']));
    expect(await store.events.deadLetters()).toMatchObject([
      {
        consumer: 'healing',
        eventId: poison?.id,
        attempts: 3,
        reason: 'NOT_FOUND: Service poison is unknown.',
        event: { type: 'service.up', data: { name: 'poison' } },
      },
    ]);
  });

  it('count failures on across restarts', async () => {
    let calls = 0;
    const fail = () =>
      store.events.consume({
        consumer: 'restarted',
        attempts: 3,
        backoffMs: 60_000,
        async handle() {
          calls += 1;
          throw new Error('always');
        },
      });
    await append('poison');
    for (const expected of [1, 2]) {
      const consumer = fail();
      await eventually(async () => {
        const cursor = await store.db
          .withTables<EventTables>()
          .selectFrom('event_cursors')
          .select('attempts')
          .executeTakeFirst();
        expect(cursor?.attempts).toBe(expected);
      });
      await consumer.stop();
    }

    fail();

    await eventually(async () => expect(await store.events.deadLetters()).toMatchObject([{ attempts: 3 }]));
    expect(calls).toBe(3);
  });

  it('go on when every connection was cut, losing nothing', async () => {
    const { seen } = collect();
    await append('before');
    await eventually(() => expect(seen).toEqual(['before']));

    const other = await database.openAnother();
    await sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`.execute(
      other.db,
    );
    await other.db.transaction().execute((trx) => other.events.append(trx, draft('after')));

    await eventually(() => expect(seen).toEqual(['before', 'after']));
  });
});

describe('read', () => {
  it('goes on after an id, by type and limit, and past an id that was pruned', async () => {
    const [a, b] = await append('a', 'b', 'c');
    await store.db.transaction().execute((trx) => store.events.append(trx, draft('d', 'service.down')));
    const names = async (options: Parameters<Store['events']['read']>[0]) =>
      (await store.events.read(options)).map(({ data }) => data['name']);

    expect(await names({ after: a?.id ?? 0 })).toEqual(['b', 'c', 'd']);
    expect(await names({ after: a?.id ?? 0, limit: 1 })).toEqual(['b']);
    expect(await names({ types: ['service.down'] })).toEqual(['d']);
    expect(await names({ types: [] })).toEqual([]);
    await sql`delete from events where id <= ${b?.id}`.execute(store.db);
    expect(await names({ after: b?.id ?? 0 })).toEqual(['c', 'd']);
  });
});

describe('the state of a place', () => {
  it('tells an event that is there from one that was removed and one that never was', async () => {
    expect(await store.events.stateOf(1)).toBe('ahead');
    const [a, b] = await append('a', 'b');
    await sql`delete from events where id = ${a?.id}`.execute(store.db);

    const states = [a?.id ?? 0, b?.id ?? 0, (b?.id ?? 0) + 1].map((id) => store.events.stateOf(id));
    expect(await Promise.all(states)).toEqual(['removed', 'known', 'ahead']);
  });
});

describe('prune', () => {
  it('keeps what a consumer still has to handle', async () => {
    const { seen, stop } = collect();
    await append('handled');
    await eventually(() => expect(seen).toEqual(['handled']));
    await stop();
    await append('waiting');
    const soon = new Date(Date.now() + 1_000);
    await sql`update event_cursors set seen_at = ${new Date(Date.now() + 60_000)}`.execute(store.db);

    expect(await store.events.prune(soon)).toBe(1);
    expect((await store.events.read()).map(({ data }) => data['name'])).toEqual(['waiting']);
  });

  it('does not wait for a consumer that is gone for good', async () => {
    const { seen, stop } = collect();
    await append('a');
    await eventually(() => expect(seen).toEqual(['a']));
    await stop();
    await append('b');

    expect(await store.events.prune(new Date(Date.now() + 60_000))).toBe(2);
  });
});

describe('a database that was moved by dump and restore', () => {
  it('hands consumers what they had not handled and what comes, in order', async () => {
    const first = collect();
    await append('handled');
    await eventually(() => expect(first.seen).toEqual(['handled']));
    await first.stop();
    await append('waiting');
    // As another server would hold them: written by transactions that are still to come here.
    await sql`update events set xid = (xid::text::bigint + 1000000000)::text::xid8`.execute(store.db);
    await sql`update event_cursors set xid = (xid::text::bigint + 1000000000)::text::xid8`.execute(store.db);

    await rebaseEvents({ db: store.db, log: { debug() {}, info() {}, warn() {}, error() {} } });
    await append('new');

    const second = collect();
    await eventually(() => expect(second.seen).toEqual(['waiting', 'new']));
  });
});

it('is woken by each event, without waiting for its poll', async () => {
  const seen: string[] = [];
  const consumer = store.events.consume({
    consumer: 'woken',
    pollMs: 600_000,
    async handle({ data }) {
      seen.push(String(data['name']));
    },
  });

  for (const name of ['first', 'second', 'third']) {
    await append(name);
    await eventually(() => expect(seen.at(-1)).toBe(name));
  }

  await consumer.stop();
  expect(seen).toEqual(['first', 'second', 'third']);
});

it('asks what is wanted once for each look, however many kinds of events it is told of', async () => {
  let asked = 0;
  const consumer = store.events.consume({
    consumer: 'wants by question',
    types: async () => {
      asked += 1;
      return (type) => type === 'service.down';
    },
    pollMs: 600_000,
    handle: () => Promise.resolve(),
  });
  const behind = async () => (await store.events.consumers())[0]?.behind;
  await eventually(async () => expect(await behind()).toBe(0));
  asked = 0;
  const unwanted = ['service.up', 'service.degraded', 'run.started', 'run.finished', 'incident.opened'] as const;
  await store.db.transaction().execute((trx) =>
    store.events.appendAll(
      trx,
      unwanted.map((type) => draft('unwanted', type)),
    ),
  );
  await eventually(async () => expect(await behind()).toBe(0));
  await consumer.stop();
  expect(asked).toBeLessThan(unwanted.length);
});

it('is woken by one of several types that are told of together, and passes over the others without its poll', async () => {
  const seen: string[] = [];
  const consumer = store.events.consume({
    consumer: 'wants one',
    types: ['service.down'],
    pollMs: 600_000,
    async handle({ data }) {
      seen.push(String(data['name']));
    },
  });
  const behind = async () => (await store.events.consumers())[0]?.behind;
  await eventually(async () => expect(await behind()).toBe(0));

  await store.db
    .transaction()
    .execute((trx) =>
      store.events.appendAll(trx, [draft('up'), draft('down', 'service.down'), draft('degraded', 'service.degraded')]),
    );
  await eventually(() => expect(seen).toEqual(['down']));

  await append('up again');
  await eventually(async () => expect(await behind()).toBe(0));
  await consumer.stop();
  expect(seen).toEqual(['down']);
});

it('looks for news without reading what is there', async () => {
  const many = 5_000;
  await sql`insert into events (at, type, data) select now(), 'service.up', '{}' from generate_series(1, ${many})`.execute(
    store.db,
  );
  const db = store.db.withTables<EventTables>();
  const past = (id: number) =>
    eventually(async () => {
      const cursor = await db.selectFrom('event_cursors').select('event_id').executeTakeFirst();
      expect(cursor?.event_id).toBeGreaterThanOrEqual(id);
    });
  const { stop } = collect(store, { types: ['service.down'] });
  await past(many);
  for (const name of ['a', 'b', 'c']) {
    const [event] = await append(name);
    await past(event?.id ?? Infinity);
  }
  await stop();
  // What its connections read is on record once they are closed.
  await store.close();
  const client = new pg.Client(database.databaseUrl);
  await client.connect();
  try {
    await eventually(async () => {
      const { rows } = await client.query<{ inserted: string; read: string }>(
        "select n_tup_ins as inserted, seq_tup_read as read from pg_stat_user_tables where relname = 'events'",
      );
      expect(Number(rows[0]?.inserted)).toBe(many + 3);
      expect(Number(rows[0]?.read)).toBeLessThan(many);
    });
  } finally {
    await client.end();
  }
});

it('goes on when the older transaction that held it up ends, without waiting for its poll', async () => {
  const seen: string[] = [];
  const open = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const older = store.db.transaction().execute(async (trx) => {
    await sql`select pg_current_xact_id()`.execute(trx);
    begun.resolve();
    await open.promise;
  });
  await begun.promise;
  const consumer = store.events.consume({
    consumer: 'held',
    pollMs: 600_000,
    async handle({ data }) {
      seen.push(String(data['name']));
    },
  });
  await append('later');
  await sleep(200);
  expect(seen).toEqual([]);

  open.resolve();
  await older;

  await eventually(() => expect(seen).toEqual(['later']));
  await consumer.stop();
});

it('is not held up by what another database on the same server does for hours', async () => {
  const neighbor = await testDatabase();
  const report = await neighbor.store.db.startTransaction().execute();
  try {
    await sql`select pg_current_xact_id()`.execute(report);
    const { seen, stop } = collect();
    await append('one', 'two');

    await vi.waitFor(() => expect(seen).toEqual(['one', 'two']), { timeout: 5_000, interval: 20 });
    expect((await store.events.read()).map(({ data }) => data['name'])).toEqual(['one', 'two']);
    await stop();
  } finally {
    await report.rollback().execute();
    await neighbor.drop();
  }
});
