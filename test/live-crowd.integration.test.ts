import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { emptyDatabase } from '../src/testing/database.ts';
import { heldMb, WITH_INSPECTOR } from './kit/held-memory.ts';
import { type LiveClient, openSocket, openStream } from './kit/live-client.ts';
import { makeHome, removeHome, type RunningSteward, startSteward } from './kit/steward.ts';

const EVENTS = 10_000;
const CLIENTS = 50;
const WARM_ROUNDS = 2;
/** What one that stalls may cost, after garbage was collected: no more than its queue and what its socket holds. */
const GROWTH_MB = 8;

const eventually = (assertion: () => void | Promise<void>) =>
  vi.waitFor(assertion, { timeout: 120_000, interval: 100 });

describe('fifty clients of a Steward', () => {
  let database: Awaited<ReturnType<typeof emptyDatabase>>;
  let home: string;
  let server: RunningSteward;
  let store: pg.Client;
  const clients: LiveClient[] = [];
  const tokens: string[] = [];

  beforeAll(async () => {
    database = await emptyDatabase();
    home = makeHome('discovery:\n  enabled: false\n');
    server = await startSteward({
      home,
      env: { ...WITH_INSPECTOR, STEWARD_DATABASE_URL: database.databaseUrl },
      withinMs: 170_000,
    });
    store = new pg.Client({ connectionString: database.databaseUrl });
    await store.connect();
    const own = readFileSync(join(home, 'cli-token'), 'utf8').trim();
    for (let n = 0; n < 3; n += 1) {
      const response = await fetch(`${server.url}/api/v1/create-token`, {
        method: 'POST',
        headers: { authorization: `Bearer ${own}`, 'content-type': 'application/json' },
        body: JSON.stringify({ name: `watcher ${n}`, role: 'viewer' }),
      });
      tokens.push(((await response.json()) as { token: string }).token);
    }
  }, 180_000);
  afterAll(async () => {
    for (const client of clients) client.end();
    await store.end();
    await server.stop();
    await removeHome(home);
    await database.drop();
  });

  /** In many transactions, as they come; each is told of as a Steward does. */
  async function emit(from: number, count: number, size: number): Promise<number[]> {
    const ids: number[] = [];
    for (let at = from; at < from + count; at += 100) {
      const { rows } = await store.query<{ id: string }>(
        `insert into events (at, type, data) select now(), 'content.published',
          jsonb_build_object('n', n, 'text', repeat('x', $3)) from generate_series($1::int, $2::int) n returning id`,
        [at, Math.min(at + 99, from + count - 1), size],
      );
      ids.push(...rows.map(({ id }) => Number(id)));
      await store.query(`notify steward_events`);
    }
    return ids;
  }

  it('all have all of 10,000 events while one of them reads nothing, which costs no memory, and then has each once', async () => {
    const headers = (n: number) => ({ authorization: `Bearer ${tokens[n % tokens.length]}` });
    for (let n = 0; n < CLIENTS; n += 1)
      clients.push(
        n % 2 === 0
          ? await openSocket(server.url, headers(n), { events: { types: ['content.published'] } })
          : await openStream(server.url, headers(n), { types: 'content.published' }),
      );
    const [stalled, ...others] = clients as [LiveClient, ...LiveClient[]];
    // The same rounds first with nobody stalled: what is measured is what the one that stalls adds to them.
    const warm: number[] = [];
    let before = 0;
    for (let round = 0; round < WARM_ROUNDS; round += 1) {
      warm.push(...(await emit(round * EVENTS, EVENTS, 1_000)));
      await eventually(() => expect(clients.map(({ ids }) => ids.length)).toEqual(clients.map(() => warm.length)));
      before = Math.max(before, await heldMb(server));
    }

    stalled.stall();
    const started = performance.now();
    const ids = await emit(WARM_ROUNDS * EVENTS, EVENTS, 1_000);
    await eventually(() =>
      expect(others.map(({ ids: got }) => got.length)).toEqual(others.map(() => warm.length + EVENTS)),
    );
    const seconds = (performance.now() - started) / 1_000;
    const after = await heldMb(server);
    const had = stalled.ids.length - warm.length;
    console.log(
      `${others.length} clients had ${EVENTS} events after ${seconds.toFixed(1)} s; the stalled one had ${had}; ` +
        `the server held ${before.toFixed(1)} MB before and ${after.toFixed(1)} MB then`,
    );

    expect(had).toBeLessThan(EVENTS);
    expect(after - before).toBeLessThan(GROWTH_MB);
    for (const { ids: got } of others) expect(got).toEqual([...warm, ...ids]);

    // In its own connection, if it was within its time, or in a new one with its place.
    const place = stalled.place();
    stalled.goOn();
    const over = await Promise.race([
      stalled.closed,
      eventually(() => expect(stalled.ids.length).toBe(warm.length + EVENTS)).then(() => undefined),
    ]);
    if (over) {
      expect(over.code).toBe(4408);
      clients.push(
        await openSocket(server.url, headers(0), { events: { types: ['content.published'] }, after: stalled.place() }),
      );
    }
    const again = over ? (clients.at(-1) as LiveClient) : undefined;
    await eventually(() => expect(stalled.ids.length + (again?.ids.length ?? 0)).toBe(warm.length + EVENTS));
    expect([...stalled.ids, ...(again?.ids ?? [])]).toEqual([...warm, ...ids]);
    expect(stalled.place()).toBeGreaterThan(place);
  }, 400_000);

  it('go on where they were after the connection broke in the midst of it, each event once', async () => {
    for (const [n, make] of [openSocket, openStream].entries()) {
      const headers = { authorization: `Bearer ${tokens[n]}` };
      const first =
        make === openSocket
          ? await openSocket(server.url, headers, { events: { types: ['content.published'] } })
          : await openStream(server.url, headers, { types: 'content.published' });
      const emitting = emit(9 * EVENTS, 3_000, 100);
      await eventually(() => expect(first.ids.length).toBeGreaterThan(100));
      first.end();
      const ids = await emitting;
      const second =
        make === openSocket
          ? await openSocket(server.url, headers, { events: { types: ['content.published'] }, after: first.place() })
          : await openStream(
              server.url,
              { ...headers, 'last-event-id': String(first.place()) },
              { types: 'content.published' },
            );
      clients.push(second);

      await eventually(() => expect([...first.ids, ...second.ids]).toEqual(ids));
    }
  }, 300_000);
});
