import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRest } from '../src/surfaces/rest/index.ts';
import { openapi } from '../src/surfaces/rest/openapi.ts';
import { createAdmin } from '../src/systems/identity/accounts.ts';
import { composeSmall, PASSWORD, signIn, type SmallComposition } from './small-composition.ts';

describe('the API', () => {
  let small: SmallComposition;
  let admin: string;
  let viewer: string;
  const get = (url: string, token: string | undefined = viewer, headers: Record<string, string> = {}) =>
    small.rest.app.inject({
      method: 'GET',
      url,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...headers },
    });
  const post = (
    url: string,
    payload: object | string | undefined,
    token: string,
    headers: Record<string, string> = {},
  ) =>
    small.rest.app.inject({
      method: 'POST',
      url,
      ...(payload === undefined ? {} : { payload }),
      headers: { authorization: `Bearer ${token}`, ...headers },
    });

  beforeAll(async () => {
    small = await composeSmall();
    admin = (await readFile(join(small.home, 'cli-token'), 'utf8')).trim();
    viewer = await small.tokenOf('viewer');
  });
  afterAll(() => small.stop());

  it('says that it is alive, and no more, to anybody', async () => {
    const response = await small.rest.app.inject({ method: 'GET', url: '/api/v1/health' });

    expect(response.statusCode).toBe(200);
    expect(response.body).toBe('{"status":"alive"}');
    expect((await small.rest.app.inject({ method: 'HEAD', url: '/api/v1/health' })).statusCode).toBe(200);
  });

  it('asks everybody else for a credential', async () => {
    for (const url of [
      '/api/v1/echo?word=a',
      '/api/v1/openapi.json',
      '/api/v1/events/stream',
      '/api/v1/automations/sweep-floor',
      '/api/v1/me',
    ]) {
      const response = await small.rest.app.inject({ method: 'GET', url });
      expect([url, response.statusCode, response.json().error.code]).toEqual([url, 401, 'UNAUTHENTICATED']);
    }
    expect((await get('/api/v1/me', 'stw_made_up')).statusCode).toBe(401);
    expect((await get('/api/v1/me', undefined, { authorization: 'Basic YTpi' })).statusCode).toBe(401);
  });

  it('reads the members of a query from address and query string, in the types of its schema', async () => {
    const response = await get(
      '/api/v1/automation/echo/hello?times=3&loud=true&tags=a&tags=b&when=2026-01-02T00:00:00Z',
    );

    expect(response.json()).toEqual({
      word: 'hello',
      times: 3,
      loud: true,
      tags: ['a', 'b'],
      when: '2026-01-02T00:00:00.000Z',
    });
    expect((await get('/api/v1/echo?word=hello&tags=a')).json()).toEqual({ word: 'hello', tags: ['a'] });
  });

  it('keeps the unversioned address of old scripts, and says that it is old', async () => {
    const response = await get('/api/automation/echo/hello');

    expect(response.statusCode).toBe(200);
    expect(response.headers).toMatchObject({
      deprecation: expect.stringMatching(/^@\d+$/),
      link: '</api/v1/automation/echo/hello>; rel="successor-version"',
    });
  });

  it.each([
    ['/api/v1/echo', 'word'],
    ['/api/v1/echo?word=a&times=many', 'times'],
    ['/api/v1/echo?word=a&wrod=b', ''],
    ['/api/v1/echo?word=a%00b', 'word'],
    ['/api/v1/echo?word=a&when=-200000-01-01', 'when'],
    ['/api/v1/automation/echo/a?when=yesterday', 'when'],
  ])('names the field that is wrong in %s', async (url, path) => {
    const response = await get(url);

    expect(response.statusCode).toBe(400);
    expect(response.json().error).toMatchObject({
      code: 'INPUT_INVALID',
      hint: expect.any(String),
      problems: [{ path, message: expect.any(String) }],
    });
  });

  it('tells nothing of its inside when it fails by a bug', async () => {
    const response = await get('/api/v1/stumble');

    expect(response.statusCode).toBe(500);
    expect(response.body).not.toMatch(/secret|undefined|\.ts/);
    expect(response.json().error.hint).toContain(response.headers['x-request-id']);
    expect(small.log.lines.at(-1)).toMatchObject({
      level: 'error',
      fields: { requestId: response.headers['x-request-id'], reason: expect.stringContaining('/secret/place.ts') },
    });
  });

  it('answers 404 and 405 in the shape of every error', async () => {
    expect((await get('/api/v1/nothing')).json().error).toMatchObject({ code: 'NOT_FOUND' });
    const response = await post('/api/v1/automation/echo/hello', {}, admin);
    expect([response.statusCode, response.headers['allow'], response.json().error.code]).toEqual([
      405,
      'GET',
      'METHOD_NOT_ALLOWED',
    ]);
    expect((await get('/api/v1/echo/%zz')).statusCode).toBe(400);
  });

  it('refuses a body that is no JSON, broken, too large, or poisoned', async () => {
    expect(
      (
        await post('/api/v1/create-token', 'name=a', admin, { 'content-type': 'application/x-www-form-urlencoded' })
      ).json().error.code,
    ).toBe('INPUT_INVALID');
    expect(
      (await post('/api/v1/create-token', '{"name":', admin, { 'content-type': 'application/json' })).json().error.code,
    ).toBe('INPUT_INVALID');
    expect((await post('/api/v1/create-token', { name: 'x'.repeat(1_100_000) }, admin)).json().error.code).toBe(
      'TOO_LARGE',
    );
    expect(
      (
        await post('/api/v1/create-token', '{"__proto__":{"role":"admin"}}', admin, {
          'content-type': 'application/json',
        })
      ).json().error.code,
    ).toBe('INPUT_INVALID');
    expect(
      (await post('/api/v1/create-token', '[1]', admin, { 'content-type': 'application/json' })).json().error.code,
    ).toBe('INPUT_INVALID');
  });

  it('lets each role do what its permissions say, and records what it refused', async () => {
    const refused = await post('/api/v1/create-token', { name: 'x', role: 'viewer' }, viewer);
    expect([refused.statusCode, refused.json().error.code]).toEqual([403, 'FORBIDDEN']);
    expect((await get('/api/v1/automation/audit/logs')).statusCode).toBe(403);

    const trail = await get('/api/v1/automation/audit/trail/operation/create-token', admin);
    expect(trail.json().items).toContainEqual(
      expect.objectContaining({
        action: 'access.refused',
        outcome: 'refused',
        actor: expect.objectContaining({ name: 'viewer token' }),
        from: '127.0.0.1',
      }),
    );
  });

  it('records every command with its outcome', async () => {
    const { id } = (await post('/api/v1/create-token', { name: 'trailed', role: 'viewer' }, admin)).json();
    await post('/api/v1/revoke-token', { id }, admin);
    await post('/api/v1/revoke-token', { id: 'nosuch' }, admin);

    const outcomes = async (token: string) =>
      (await get(`/api/v1/automation/audit/trail/token/${token}`, admin))
        .json()
        .items.map(({ action, outcome }: { action: string; outcome: string }) => `${action} ${outcome}`);
    expect(await outcomes(id)).toEqual([
      'command.create-token allowed',
      'command.create-token succeeded',
      'command.revoke-token allowed',
      'command.revoke-token succeeded',
    ]);
    expect(await outcomes('nosuch')).toEqual(['command.revoke-token allowed', 'command.revoke-token failed']);
  });

  it('starts a run and says where to follow it', async () => {
    const response = await post(
      '/api/v1/automations/sweep-floor/runs',
      { input: { room: 'hall' }, reason: 'dust' },
      admin,
      { 'x-steward-surface': 'cli' },
    );

    expect(response.statusCode).toBe(202);
    expect(response.json()).toMatchObject({
      automation: 'sweep-floor',
      status: 'queued',
      dryRun: false,
      trigger: 'cli',
      reason: 'dust',
    });
    expect(response.headers['location']).toBe(`/api/v1/runs/${response.json().id}`);
    expect(
      (await post('/api/v1/automations/sweep-floor/plan', { input: { room: 'hall' } }, admin)).json(),
    ).toMatchObject({ dryRun: true, trigger: 'api' });
  });

  it('starts one run for one Idempotency-Key, and another for somebody else with the same key', async () => {
    const start = (token: string) =>
      post('/api/v1/automations/sweep-floor/runs', { input: { room: 'hall' } }, token, { 'idempotency-key': 'k1' });
    const operator = await small.tokenOf('operator');

    const [first, second, other] = [await start(admin), await start(admin), await start(operator)];

    expect(second.json().id).toBe(first.json().id);
    expect(other.json().id).not.toBe(first.json().id);
  });

  it('leaves no run behind where the request is refused', async () => {
    const before = small.runs.started.length;
    const wrong = await post('/api/v1/automations/sweep-floor/runs', { input: { room: '', tmies: 2 } }, admin);

    expect(wrong.json().error.problems).toEqual([
      { path: 'input.room', message: expect.any(String) },
      { path: 'input', message: expect.stringContaining('tmies') },
    ]);
    expect((await post('/api/v1/automations/sweep-floor/runs', { input: { room: 'hall' } }, viewer)).statusCode).toBe(
      403,
    );
    expect((await post('/api/v1/automations/no-such/runs', {}, admin)).statusCode).toBe(404);
    expect(
      (await post('/api/v1/automations/sweep-floor/runs', { input: { room: 'hall' }, dryrun: true }, admin)).statusCode,
    ).toBe(400);
    expect(small.runs.started).toHaveLength(before);
  });

  it('takes a person for what only a person may do', async () => {
    expect((await post('/api/v1/sign-treaty', {}, admin)).json().error).toMatchObject({
      code: 'FORBIDDEN',
      hint: expect.stringContaining('Sign in'),
    });

    const cookie = await signIn(small);
    const signed = await small.rest.app.inject({
      method: 'POST',
      url: '/api/v1/sign-treaty',
      headers: { cookie, origin: 'http://localhost:80', host: 'localhost:80' },
    });
    expect(signed.json()).toEqual({ by: 'ada' });
  });

  it('signs in with a cookie that scripts and other sites do not get, and takes changes from its own page only', async () => {
    const cookie = await signIn(small, 'bob');
    const login = await small.rest.app.inject({
      method: 'POST',
      url: '/api/v1/login',
      payload: { name: 'bob', password: PASSWORD },
      headers: { origin: 'http://evil.example' },
    });
    expect(login.statusCode).toBe(403);

    const send = (headers: Record<string, string>) =>
      small.rest.app.inject({
        method: 'POST',
        url: '/api/v1/create-token',
        headers: { cookie, host: 'localhost:3000', ...headers },
        payload: { name: 'x', role: 'viewer' },
      });
    expect((await send({ origin: 'http://evil.example' })).statusCode).toBe(403);
    expect((await send({})).statusCode).toBe(403);
    expect((await send({ origin: 'http://localhost:3000' })).statusCode).toBe(200);
    expect((await send({ 'sec-fetch-site': 'same-origin' })).statusCode).toBe(200);

    const again = await small.rest.app.inject({
      method: 'POST',
      url: '/api/v1/login',
      payload: { name: 'bob', password: PASSWORD },
    });
    expect(again.headers['set-cookie']).toMatch(/; HttpOnly; SameSite=Strict; Expires=/);
    await small.rest.app.inject({ method: 'POST', url: '/api/v1/logout', headers: { cookie } });
    expect((await small.rest.app.inject({ method: 'GET', url: '/api/v1/me', headers: { cookie } })).statusCode).toBe(
      401,
    );
  });

  it('sends headers that keep scripts of others out', async () => {
    const { headers } = await small.rest.app.inject({ method: 'GET', url: '/' });

    expect(headers['content-security-policy']).toContain("script-src 'self'");
    expect(headers).toMatchObject({ 'x-content-type-options': 'nosniff', 'content-type': 'text/html; charset=utf-8' });
    expect(headers['strict-transport-security']).toBeUndefined();
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('brakes a credential that asks too often, each by itself', async () => {
    const strict = await composeSmall({ settings: { requestsPerMinute: 5 } });
    try {
      const token = (await readFile(join(strict.home, 'cli-token'), 'utf8')).trim();
      const ask = async (bearer: string) =>
        (
          await strict.rest.app.inject({
            method: 'GET',
            url: '/api/v1/me',
            headers: { authorization: `Bearer ${bearer}` },
          })
        ).statusCode;
      const other = await strict.tokenOf('viewer');
      const codes = [];
      for (let n = 0; n < 6; n++) codes.push(await ask(token));

      expect(codes.filter((code) => code === 429).length).toBeGreaterThan(0);
      expect(await ask(other)).toBe(200);
    } finally {
      await strict.stop();
    }
  });

  it('refuses a public address without protection, and a port that is taken', async () => {
    const { catalog, identity, audit, runs, log } = small;
    const deps = {
      catalog,
      identity,
      audit,
      runs,
      log,
      events: {
        read: async () => [],
        latestId: async () => 0,
        stateOf: async () => 'known' as const,
        onNews: () => () => undefined,
      },
      version: '0',
      now: () => new Date(),
    };
    expect(() => createRest({ ...deps, settings: { host: '0.0.0.0', port: 0 } })).toThrow(
      expect.objectContaining({ code: 'PRECONDITION_FAILED' }),
    );

    const other = createServer();
    await new Promise<void>((resolve) => void other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    await expect(createRest({ ...deps, settings: { host: '127.0.0.1', port } }).listen()).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      hint: expect.stringContaining(String(port)),
    });
    other.close();
  });

  it('marks the cookie Secure and promises HTTPS where it serves it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'steward-tls-'));
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
    const subject = ['-subj', '/CN=localhost', '-days', '1', '-nodes'];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        ...subject,
        '-keyout',
        key,
        '-out',
        cert,
      ],
      { stdio: 'ignore' },
    );
    const secure = await composeSmall({ settings: { tls: { cert, key } } });
    try {
      await createAdmin(secure.store, { name: 'ada', password: PASSWORD, now: new Date() });
      const { url, port } = await secure.rest.listen();
      const headers = await new Promise<IncomingHttpHeaders>((resolve, reject) => {
        const sent = httpsRequest(
          {
            host: '127.0.0.1',
            port,
            path: '/api/v1/login',
            method: 'POST',
            rejectUnauthorized: false,
            headers: { 'content-type': 'application/json' },
          },
          (response) => {
            response.resume();
            resolve(response.headers);
          },
        );
        sent.on('error', reject);
        sent.end(JSON.stringify({ name: 'ada', password: PASSWORD }));
      });

      expect(url).toMatch(/^https:/);
      expect(headers['set-cookie']?.[0]).toMatch(/; Secure$/);
      expect(headers['strict-transport-security']).toContain('max-age=');
    } finally {
      await secure.stop();
      await rm(folder, { recursive: true });
    }
  });

  it('believes X-Forwarded-For of a trusted proxy only', async () => {
    const from = async (composition: SmallComposition): Promise<string> => {
      const bearer = (await readFile(join(composition.home, 'cli-token'), 'utf8')).trim();
      const ask = (url: string) =>
        composition.rest.app.inject({
          method: 'GET',
          url,
          remoteAddress: '127.0.0.1',
          headers: { authorization: `Bearer ${bearer}`, 'x-forwarded-for': '203.0.113.9' },
        });
      await ask('/api/v1/audit-logs');
      return (await ask('/api/v1/audit-logs?action=audit.read&limit=1')).json().items[0].from;
    };
    const behind = await composeSmall({ settings: { trustedProxies: ['127.0.0.1'] } });
    try {
      expect(await from(behind)).toBe('203.0.113.9');
      expect(await from(small)).toBe('127.0.0.1');
    } finally {
      await behind.stop();
    }
  });

  it('gives one credential no more streams than leave room for others', async () => {
    const own = await composeSmall();
    const { url } = await own.rest.listen();
    const [greedy, other] = [await own.tokenOf('viewer'), await own.tokenOf('operator')];
    const closing = new AbortController();
    const open = async (token: string): Promise<number> =>
      (
        await fetch(`${url}/api/v1/events/stream`, {
          headers: { authorization: `Bearer ${token}` },
          signal: closing.signal,
        })
      ).status;

    const statuses = await Promise.all(Array.from({ length: 25 }, () => open(greedy)));

    expect(statuses.filter((status) => status === 200)).toHaveLength(20);
    expect(statuses.filter((status) => status === 429)).toHaveLength(5);
    expect(await open(other)).toBe(200);
    closing.abort();
    await own.stop();
  });

  it('streams events, resumes where a client was, and keeps what security reports from who may not read it', async () => {
    const { url } = await small.rest.listen();
    const emit = (type: 'service.down' | 'security.failed-access', name: string) =>
      small.store.db.transaction().execute((trx) => small.store.events.append(trx, { type, data: { name } }));
    const first = await emit('service.down', 'one');
    await emit('security.failed-access', 'hidden');
    const stop = new AbortController();
    const response = await fetch(`${url}/api/v1/events/stream`, {
      headers: { authorization: `Bearer ${viewer}`, 'last-event-id': String(first.id - 1) },
      signal: stop.signal,
    });
    const seen = readUntil(response, 'three');
    await emit('service.down', 'two');
    await emit('service.down', 'three');

    const text = await seen;
    expect([...text.matchAll(/"name":"(\w+)"/g)].map(([, name]) => name)).toEqual(['one', 'two', 'three']);
    stop.abort();
    expect((await get('/api/v1/events/stream', viewer, { 'last-event-id': 'x' })).statusCode).toBe(400);
  });

  it('describes itself in OpenAPI 3.1, without a reference into nothing and with unique names', async () => {
    const served = (await get('/api/v1/openapi.json')).json();
    const description = openapi(small.catalog, '0.0.0-test') as {
      paths: Record<
        string,
        Record<string, { operationId: string; parameters?: { name: string; in: string }[]; responses: object }>
      >;
      components: { schemas: object };
    };
    expect(served).toEqual(JSON.parse(JSON.stringify(description)));

    const operations = Object.entries(description.paths).flatMap(([path, methods]) =>
      Object.values(methods).map((operation) => ({ path, ...operation })),
    );
    const ids = operations.map(({ operationId }) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, parameters = [], responses } of operations) {
      const named = [...path.matchAll(/\{([^}]+)\}/g)].map(([, name]) => name);
      expect(parameters.filter((each) => each.in === 'path').map(({ name }) => name)).toEqual(named);
      expect(Object.keys(responses)).toContain('default');
    }
    const references = [...JSON.stringify(description).matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g)].map(
      ([, name]) => name,
    );
    expect(references.length).toBeGreaterThan(0);
    for (const name of references) expect(Object.keys(description.components.schemas)).toContain(name);
    expect(JSON.stringify(description)).not.toContain('#/$defs');
  });
});

async function readUntil(response: Response, word: string): Promise<string> {
  let text = '';
  const decoder = new TextDecoder();
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += decoder.decode(chunk, { stream: true });
    if (text.includes(word)) return text;
  }
  return text;
}
