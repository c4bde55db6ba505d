import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { sql } from 'kysely';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { EventDraft } from '../src/core/event.ts';
import { createRest } from '../src/surfaces/rest/index.ts';
import { EVENTS_CHANNEL } from '../src/store/event-tables.ts';
import { memoryLog } from '../src/testing/log.ts';
import { type LiveClient, openSocket, openStream } from './kit/live-client.ts';
import { composeSmall, signIn, type SmallComposition } from './small-composition.ts';

const HEARTBEAT_MS = 150;
const STALL_MS = 1_500;

describe('the live stream', () => {
  let small: SmallComposition;
  let url: string;
  let token: string;
  const open: LiveClient[] = [];
  const bearer = (of: string) => ({ authorization: `Bearer ${of}` });
  const socket = async (subscribe?: object, headers: Record<string, string> = bearer(token)): Promise<LiveClient> => {
    const client = await openSocket(url, headers, subscribe);
    open.push(client);
    return client;
  };
  const stream = async (query: Record<string, string | number> = {}, headers: Record<string, string> = {}) => {
    const client = await openStream(url, { ...bearer(token), ...headers }, query);
    open.push(client);
    return client;
  };
  const emit = async (...drafts: Partial<EventDraft>[]): Promise<number[]> =>
    await small.store.db.transaction().execute(async (trx) => {
      const events = await small.store.events.appendAll(
        trx,
        drafts.map((draft) => ({ type: 'service.up', data: {}, ...draft })),
      );
      return events.map(({ id }) => id);
    });
  const many = (count: number, size = 0): Partial<EventDraft>[] =>
    Array.from({ length: count }, (_, n) => ({ data: { n, text: 'x'.repeat(size) } }));
  const eventually = (assertion: () => void) => vi.waitFor(assertion, { timeout: 20_000, interval: 20 });

  beforeAll(async () => {
    small = await composeSmall({ live: { heartbeatMs: HEARTBEAT_MS, stallMs: STALL_MS, node: 'n1' } });
    ({ url } = await small.rest.listen());
    token = await small.tokenOf('operator');
  });
  afterAll(async () => {
    for (const client of open) client.end();
    await small.stop();
  });

  it('says over both transports where it is, and then what happens', async () => {
    const [before = 0] = await emit({});
    const both = [await socket({}), await stream()];
    const ids = await emit(...many(5));

    for (const client of both) {
      await eventually(() => expect(client.ids).toEqual(ids));
      expect(client.messages[0]).toEqual({ type: 'hello', latest: before, node: 'n1', protocol: 1 });
      client.end();
    }
  });

  it('sends a WebSocket nothing before it says what it wants', async () => {
    const client = await socket();
    await emit({});
    client.send({ type: 'ping' });

    await client.saw('pong', ({ type }) => type === 'pong');
    await client.saw('its place', ({ type }) => type === 'at');
    expect(client.ids).toEqual([]);
    client.end();
  });

  it('resumes behind any event, each once and in order, on either transport', async () => {
    const ids = await emit(...many(1_000));
    const [from = 0] = ids;
    const clients = [
      await socket({ after: from }),
      await stream({ after: from }),
      await stream({}, { 'last-event-id': String(from) }),
    ];

    for (const client of clients) {
      await eventually(() => expect(client.ids).toEqual(ids.slice(1)));
      client.end();
    }
  });

  it.each([
    ['types', { types: ['run.*'] }, 'types=run.*', 'b'],
    ['subjects', { subjects: ['service:svc_1'] }, 'subject=service:svc_1', 'c'],
    ['a subject by its id alone', { subjects: ['svc_1'] }, 'subject=svc_1', 'c'],
    ['runs', { runs: ['run_7'] }, 'run=run_7', 'd'],
    ['severity', { severity: 'critical' }, 'severity=critical', 'e'],
  ])('narrows to %s', async (_what, events, query, wanted) => {
    const [name = '', value = ''] = query.split('=');
    const clients = [await socket({ events }), await stream({ [name]: value })];
    const ids = await emit(
      { data: { is: 'a' } },
      { type: 'run.started', data: { is: 'b' } },
      { subject: { kind: 'service', id: 'svc_1' }, data: { is: 'c' } },
      { causation: { runId: 'run_7' }, data: { is: 'd' } },
      { type: 'service.down', data: { is: 'e' } },
    );

    for (const client of clients) {
      // Told where it is although what came last was not wanted: resuming there repeats nothing.
      await eventually(() => expect(client.place()).toBeGreaterThanOrEqual(ids.at(-1) ?? 0));
      expect(client.ids).toEqual([ids['abcde'.indexOf(wanted)]]);
      client.end();
    }
  });

  it('keeps what security reports from who may not read the record', async () => {
    const auditor = await socket({}, bearer(await small.tokenOf('auditor')));
    const agent = await socket({}, bearer(await small.tokenOf('agent')));
    const ids = await emit({ type: 'security.refused' }, { type: 'service.down' });

    await eventually(() => expect([auditor.ids, agent.ids]).toEqual([ids, [ids[1]]]));
    auditor.end();
    agent.end();
  });

  it('tells of a gap where retention has removed the place, and of a place this store never had', async () => {
    const ids = await emit(...many(10));
    await sql`delete from events where id <= ${ids[4]}`.execute(small.store.db);

    const removed = await socket({ after: ids[2] });
    await eventually(() => expect(removed.ids).toEqual(ids.slice(5)));
    expect(removed.messages).toContainEqual(expect.objectContaining({ type: 'gap', after: ids[2], continues: ids[5] }));

    const ahead = await stream({ after: 999_999_999 });
    expect(ahead.messages).toContainEqual(expect.objectContaining({ type: 'gap', after: 999_999_999 }));
    const next = await emit({});
    await eventually(() => expect(ahead.ids).toEqual(next));
    for (const client of [removed, ahead]) client.end();
  });

  it('waits while it is paused, and sends no more than it has credit for', async () => {
    const client = await socket({});
    client.send({ type: 'pause' });
    await client.saw('paused', ({ type }) => type === 'paused');
    const ids = await emit(...many(500));
    client.send({ type: 'ping' });
    await client.saw('pong', ({ type }) => type === 'pong');
    expect(client.ids).toEqual([]);

    client.send({ type: 'credit', events: 7 });
    client.send({ type: 'resume' });
    await eventually(() => expect(client.ids).toEqual(ids.slice(0, 7)));
    client.send({ type: 'credit', events: 3 });
    await eventually(() => expect(client.ids).toEqual(ids.slice(0, 10)));
    client.send({ type: 'credit', events: 100_000 });
    await eventually(() => expect(client.ids).toEqual(ids));
    client.end();
  });

  it('lets who reads nothing go after a while, with the place to resume from, and then gives each event once', async () => {
    const client = await socket({});
    client.stall();
    // More than the kernel and the process keep for it.
    const ids = await emit(...many(2_000, 8_000));
    // 16 MB wait for it, and they wait in the store.
    await new Promise((done) => setTimeout(done, STALL_MS / 2));
    const kept = [...small.rest.app.websocketServer.clients].map(({ bufferedAmount }) => bufferedAmount);
    expect(Math.max(...kept)).toBeGreaterThan(0);
    expect(Math.max(...kept)).toBeLessThan(300 * 1_024);
    await new Promise((done) => setTimeout(done, STALL_MS * 2));
    client.goOn();

    const { code, reason } = await client.closed;
    expect(code).toBe(4408);
    const { resume } = JSON.parse(reason) as { resume: number };
    expect(client.ids.length).toBeLessThan(ids.length);
    expect(client.ids.at(-1)).toBeGreaterThanOrEqual(resume);

    const again = await socket({ after: client.place() });
    await eventually(() => expect([...client.ids, ...again.ids]).toEqual(ids));
    again.end();
  });

  it('ends with the credential', async () => {
    const admin = (await readFile(join(small.home, 'cli-token'), 'utf8')).trim();
    const { json } = await small.rest.app.inject({
      method: 'POST',
      url: '/api/v1/create-token',
      headers: bearer(admin),
      payload: { name: 'short-lived', role: 'viewer' },
    });
    const made = json<{ token: string; id: string }>();
    const [ws, sse] = [await socket({}, bearer(made.token)), await stream({}, bearer(made.token))];
    const revoked = await small.rest.app.inject({
      method: 'POST',
      url: '/api/v1/revoke-token',
      headers: bearer(admin),
      payload: { id: made.id },
    });
    expect(revoked.statusCode).toBe(200);

    expect(await ws.closed).toMatchObject({ code: 4401 });
    await sse.closed;
    expect(sse.messages.at(-1)).toMatchObject({ type: 'end', why: 'unauthenticated' });
  });

  it('asks for a credential before it opens, and for the own page where that is a session', async () => {
    await expect(openSocket(url, {})).rejects.toThrow('401');
    const cookie = await signIn(small);
    await expect(openSocket(url, { cookie, origin: 'https://evil.example' })).rejects.toThrow('403');
    await expect(openSocket(url, { cookie })).rejects.toThrow('403');

    const own = await socket({}, { cookie, origin: url });
    const ids = await emit({});
    await eventually(() => expect(own.ids).toEqual(ids));
    own.end();
  });

  it('keeps no connection of who was refused', async () => {
    const { port, hostname } = new URL(url);
    const raw = connect(Number(port), hostname);
    const over = new Promise((done) => raw.on('close', done));
    raw.resume();
    raw.write(
      'GET /api/v1/live HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
    );

    await over;
  });

  it('gives one credential no more sockets than leave room for others', async () => {
    const greedy = bearer(await small.tokenOf('viewer'));
    const outcomes = await Promise.allSettled(Array.from({ length: 22 }, () => socket({}, greedy)));
    const refused = outcomes.filter(({ status }) => status === 'rejected') as PromiseRejectedResult[];

    expect(refused.map(({ reason }) => String(reason))).toEqual(['Error: answered 429', 'Error: answered 429']);
    for (const outcome of outcomes) if (outcome.status === 'fulfilled') outcome.value.end();
  });

  it.each([
    ['no JSON', 'hello', /one JSON object/],
    ['a message it does not know', '{"type":"dance"}', /type/],
    [
      'a type of event that does not exist',
      '{"type":"subscribe","events":{"types":["servce.*"]}}',
      /no event is called so/,
    ],
    ['a topic that does not exist', '{"type":"subscribe","topics":["weather"]}', /weather/],
  ])('answers %s with what was wrong, and goes on', async (_what, text, message) => {
    const client = await socket({});
    client.send(text);

    expect(await client.saw('the error', ({ type }) => type === 'error')).toMatchObject({
      message: expect.stringMatching(message),
    });
    const ids = await emit({});
    await eventually(() => expect(client.ids).toEqual(ids));
    client.end();
  });

  it('lets go who talks too much or too long', async () => {
    const chatty = await socket({});
    for (let n = 0; n < 60; n += 1) chatty.send({ type: 'ping' });
    expect(await chatty.closed).toMatchObject({ code: 4400 });

    const long = await socket({});
    long.send({ type: 'subscribe', topics: ['x'.repeat(70_000)] });
    expect(await long.closed).toMatchObject({ code: 1009 });
  });

  it('refuses in the address what it would refuse in a message', async () => {
    const ask = async (query: string): Promise<unknown> =>
      (await fetch(`${url}/api/v1/live?${query}`, { headers: bearer(token) })).status;
    expect(await ask('types=servce.*')).toBe(400);
    expect(await ask('after=x')).toBe(400);
    expect(await ask('wrong=1')).toBe(400);
    expect(await ask('topic=weather')).toBe(404);
  });

  it('goes on at another node of the same store, each event once', async () => {
    const second = await small.openAnother();
    const { catalog, identity, audit, runs } = small;
    const other = createRest({
      catalog,
      identity,
      audit,
      runs,
      events: { ...second.events, onNews: (handler) => second.listen(EVENTS_CHANNEL, handler) },
      live: { node: 'n2' },
      settings: { host: '127.0.0.1', port: 0 },
      version: '0.0.0-test',
      now: () => new Date(),
      log: memoryLog(),
    });
    try {
      const there = await other.listen();
      const here = await socket({});
      const ids = await emit(...many(300));
      await eventually(() => expect(here.ids.length).toBeGreaterThan(0));
      here.end();
      const more = emit(...many(300));

      const moved = await openSocket(there.url, bearer(token), { after: here.place() });
      const all = [...ids, ...(await more)];

      await eventually(() => expect([...here.ids, ...moved.ids]).toEqual(all));
      expect(moved.messages[0]).toMatchObject({ type: 'hello', node: 'n2' });
      // What is written by one node is heard at the other.
      const news = await second.db
        .transaction()
        .execute((trx) => second.events.append(trx, { type: 'node.joined', data: {} }));
      await eventually(() => expect(moved.ids.at(-1)).toBe(news.id));
      moved.end();
    } finally {
      await other.close();
    }
  });

  it('says so when the server stops', async () => {
    const own = await composeSmall();
    const at = (await own.rest.listen()).url;
    const headers = bearer(await own.tokenOf('viewer'));
    const [ws, sse] = [await openSocket(at, headers, {}), await openStream(at, headers)];
    await own.stop();

    expect(await ws.closed).toMatchObject({ code: 1001 });
    await sse.closed;
    expect(sse.messages.at(-1)).toMatchObject({ type: 'end', why: 'going-away' });
  });
});
