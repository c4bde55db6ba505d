import { describe, expect, it } from 'vitest';
import { StewardError } from '../../core/errors.ts';
import { type FakeHttp, fakeHttp } from '../../testing/fakes/fake-http.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import callHttp from './index.ts';

type Input = Parameters<typeof call>[1];
const url = 'https://crm.example/hooks?key=hidden';
const call = (
  http: FakeHttp,
  input: Partial<
    Parameters<typeof performInMemory<typeof callHttp.input, typeof callHttp.output, never>>[1]['input']
  > = {},
) =>
  performInMemory(callHttp, {
    ports: { http },
    input: { url, ...input },
    secret: async (reference) => ('env' in reference ? `value of ${reference.env}` : 'other'),
  });
const host = (answer: Parameters<FakeHttp['serve']>[1] = { status: 204 }): FakeHttp => {
  const http = fakeHttp();
  http.serve('https://crm.example', answer);
  return http;
};
/** Fails so often, then works. */
const shaky = (failures: number, failure: Parameters<FakeHttp['serve']>[1]) => {
  let left = failures;
  return host((request) =>
    left-- > 0 ? (typeof failure === 'function' ? failure(request) : failure) : { status: 200 },
  );
};

describe('call-http', () => {
  it('sends JSON with its key, and says what came back', async () => {
    const http = host({ status: 201, body: 'made' });
    const run = await call(http, { json: { user: 42 }, headers: { 'X-Shop': 'one' } });
    expect(run).toMatchObject({ status: 'succeeded', output: { status: 201, attempts: 1, answer: 'made' } });
    expect(http.requests).toMatchObject([
      {
        method: 'POST',
        url,
        body: '{"user":42}',
        headers: { 'content-type': 'application/json', 'x-shop': 'one', 'idempotency-key': 'run_memory:call' },
      },
    ]);
  });

  it('shows the address without its query', async () => {
    const run = await call(host());
    expect(run.plan).toMatchObject([{ title: 'POST https://crm.example/hooks', undo: 'none' }]);
    expect(JSON.stringify([run.plan, run.facts, run.output, run.checks])).not.toContain('hidden');
  });

  it.each<[string, Input, object]>([
    ['another status', { expectStatus: ['2xx'] }, { status: 500 }],
    ['another status than that one', { expectStatus: ['201'] }, { status: 200 }],
    ['a text that is missing', { expectBody: { contains: 'ok' } }, { body: 'no' }],
    ['a member that is missing', { expectBody: { pointer: '/a/0' } }, { body: '{"a":[]}' }],
    ['a member that is another', { expectBody: { pointer: '/a', equals: { x: 1 } } }, { body: '{"a":{"x":2}}' }],
    ['no JSON', { expectBody: { pointer: '/a' } }, { body: '<html>' }],
  ])('fails at %s', async (_what, input, answer) => {
    expect(await call(host({ status: 200, ...answer }), input)).toMatchObject({
      status: 'failed',
      error: { code: 'VERIFICATION_FAILED' },
    });
  });

  it('judges an answer before what looks like a secret is taken out of it', async () => {
    const body = '{"token":"abcdefgh","order":{"id~/":"7","state":["open"]}}';
    const run = await call(host({ body }), { expectBody: { pointer: '/order/id~0~1', equals: '7', contains: 'open' } });
    expect(run.status).toBe('succeeded');
    expect(run.output?.answer).not.toContain('abcdefgh');
  });

  it('looks afterwards whether it happened', async () => {
    let there = false;
    const http = host(({ method }) => {
      if (method === 'PUT') there = true;
      return method === 'PUT' ? { status: 204 } : { status: there ? 200 : 404 };
    });
    const readBack = { url: 'https://crm.example/42' };
    expect(await call(http, { method: 'PUT', readBack })).toMatchObject({ status: 'succeeded' });
    const lying = host(({ method }) => ({ status: method === 'PUT' ? 204 : 404 }));
    expect(await call(lying, { method: 'PUT', readBack })).toMatchObject({ status: 'failed' });
  });

  it('is refused by the guard before anything is sent', async () => {
    const http = fakeHttp();
    expect(await call(http)).toMatchObject({
      status: 'failed',
      error: { code: 'PRECONDITION_FAILED', phase: 'validate', message: expect.stringContaining('may be called') },
    });
    expect(http.requests).toEqual([]);
  });

  it('sends secrets where the configuration lets them go, and keeps none', async () => {
    const http = host(({ headers }) => ({ body: `you sent ${headers?.['authorization']}` }));
    http.trust('https://crm.example', [{ env: 'CRM' }]);
    const run = await call(http, { headers: { Authorization: { env: 'CRM' } } });
    expect(http.requests[0]?.headers?.['authorization']).toBe('value of CRM');
    expect(run.status).toBe('succeeded');
    expect(JSON.stringify([run.facts, run.plan, run.changes, run.checks, run.output])).not.toContain('value of CRM');
  });

  it.each([{ env: 'OTHER' }, { file: '/etc/shadow' }])(
    'sends nowhere what was not meant for there: %j',
    async (secret) => {
      const http = host();
      http.trust('https://crm.example', [{ env: 'CRM' }]);
      const run = await call(http, { headers: { authorization: secret } });
      expect(run).toMatchObject({ status: 'failed', error: { code: 'PRECONDITION_FAILED' } });
      expect(http.requests).toEqual([]);
    },
  );

  it('takes no secrets to another origin when it looks afterwards', async () => {
    const http = host();
    http.serve('https://elsewhere.example', {});
    http.trust('https://crm.example', [{ env: 'CRM' }]);
    await call(http, { headers: { authorization: { env: 'CRM' } }, readBack: { url: 'https://elsewhere.example/' } });
    expect(http.requests[1]?.headers).toEqual({});
  });

  it('refuses what lost its secret on the way into the store', async () => {
    expect(await call(host(), { headers: { authorization: '[redacted]' } })).toMatchObject({
      status: 'failed',
      error: { message: expect.stringContaining('No secret stands in the request') },
    });
  });

  it('tries again what never arrived', async () => {
    const http = shaky(1, new StewardError('UNAVAILABLE', 'ECONNREFUSED'));
    expect(await call(http)).toMatchObject({ status: 'succeeded', output: { attempts: 2 } });
    expect(http.requests).toHaveLength(1);
  });

  it('tries again what a busy server put off, only where that is harmless', async () => {
    const busy = { status: 503, headers: { 'retry-after': '1' } };
    expect(await call(shaky(1, busy), { repeatable: true })).toMatchObject({ output: { attempts: 2, status: 200 } });
    expect(await call(shaky(1, busy))).toMatchObject({ status: 'failed', output: { attempts: 1, status: 503 } });
  });

  it('sends nothing twice that may have arrived', async () => {
    const http = host(new StewardError('TIMEOUT', 'late', { retryable: false }));
    expect(await call(http)).toMatchObject({ status: 'failed', error: { code: 'TIMEOUT' } });
    expect(http.requests).toHaveLength(1);
  });

  describe('after a crash in the middle of it', () => {
    const resumed = async (http: FakeHttp, input: Input) => {
      const context = {
        input: callHttp.input.parse({ url, ...input }),
        ports: { http },
        run: { id: 'run_1' },
        signal: new AbortController().signal,
        now: () => new Date(),
        secret: async () => '',
      } as unknown as Parameters<typeof callHttp.execute>[0];
      const facts = await callHttp.analyze(context);
      const [change] = await callHttp.plan(context, facts);
      if (!change) throw new Error('no plan');
      const receipt = await callHttp.execute(context, change, { facts, receipts: new Map(), attempt: 2 });
      return await callHttp.verify(context, { facts, applied: [{ change, receipt }] });
    };

    it('says that it is not known, and does not send it again', async () => {
      const http = host();
      expect(await resumed(http, {})).toMatchObject([{ ok: false, name: expect.stringContaining('is known') }]);
      expect(http.requests).toEqual([]);
    });

    it('sends again what is harmless twice', async () => {
      const http = host();
      expect(await resumed(http, { repeatable: true })).toMatchObject([{ ok: true }]);
      expect(http.requests).toHaveLength(1);
    });

    it('finds out where it can look', async () => {
      const http = host(({ method }) => ({ status: method === 'GET' ? 200 : 500 }));
      const checks = await resumed(http, { readBack: { url } });
      expect(checks.map(({ ok }) => ok)).toEqual([true, true]);
    });
  });

  it.each([
    { method: 'DELETE' },
    { url: 'ftp://crm.example/' },
    { json: 1, body: 'x' },
    { method: 'GET', json: 1 },
    { headers: { Host: 'other' } },
    { headers: { 'Content-Length': '1' } },
    { headers: { a: 'b\r\nc: d' } },
    { expectStatus: ['666'] },
    { expectBody: { equals: 1 } },
    { timeout: '10m' },
    { allowPrivate: true },
  ])('refuses %j', (input) => {
    expect(callHttp.input.safeParse({ url, ...input }).success).toBe(false);
  });
});
