// Answers to what nobody judged: the headers of a limit, and the count of an address.
import { createHash } from 'node:crypto';
import { afterEach, describe, expect, it } from 'vitest';
import { memoryCounters } from '../../../edge/handlers/gateway/memory-counters.ts';
import {
  NO_LIMITS,
  openGateway,
  openRawUpstream,
  openUpstream,
  rawClient,
  routeTo,
  type TestGateway,
} from '../../testing/gateway.ts';

const open: { close(): Promise<void> }[] = [];
const kept = <T extends { close(): Promise<void> }>(one: T): T => (open.push(one), one);
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n';
const LIMIT = { ...NO_LIMITS, anonymous: 3 };

interface Answer {
  readonly status: number;
  readonly header: (name: string) => string | undefined;
}

async function answerTo(gateway: TestGateway, bytes: string): Promise<Answer> {
  const { text } = await rawClient(gateway.port, bytes).over;
  const [head = ''] = text.split('\r\n\r\n');
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]),
    header: (name) => new RegExp(`^${name}: (.*)$`, 'im').exec(head)?.[1],
  };
}

async function begin(more: Partial<Parameters<typeof openGateway>[0]> = {}): Promise<TestGateway> {
  const app = kept(await openUpstream((_request, response) => response.end('ok')));
  return kept(
    await openGateway({
      routes: [routeTo('app', { limits: LIMIT })],
      upstreams: { app: { targets: [app.origin] } },
      unrouted: LIMIT,
      ...more,
    }),
  );
}

describe('what comes to no verdict', () => {
  const unjudged: [status: number, what: string, bytes: string][] = [
    [400, 'a header that is there twice', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    [400, 'one that asks for an upgrade', `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${UPGRADE}\r\n`],
    [400, 'another protocol', 'SSH-2.0-OpenSSH_9.2\r\n'],
    [405, 'a tunnel', 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n'],
    [408, 'headers that do not come', 'GET / HTTP/1.1\r\nHost: a\r\n'],
    [431, 'headers that are too long', `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`],
  ];

  it.each(unjudged)(
    'is %d with a limit, and counts: %s',
    async (status, _what, bytes) => {
      const gateway = await begin();
      for (const remaining of ['2', '1', '0']) {
        const answer = await answerTo(gateway, bytes);
        expect([answer.status, answer.header('x-ratelimit-limit')]).toEqual([status, '3']);
        expect(answer.header('x-ratelimit-remaining')).toBe(remaining);
        expect(answer.header('ratelimit-policy')).toBe('"anonymous";q=3;w=60');
        expect(answer.header('ratelimit')).toMatch(new RegExp(`^"anonymous";r=${remaining};t=\\d+$`));
        expect(answer.header('retry-after')).toBeUndefined();
      }
      const beyond = await answerTo(gateway, bytes);
      expect([beyond.status, beyond.header('x-ratelimit-remaining')]).toEqual([429, '0']);
      expect(Number(beyond.header('retry-after'))).toBeGreaterThan(0);
      const id = beyond.header('x-request-id');
      expect(gateway.records.find((record) => record['id'] === id)).toMatchObject({
        rule: 'anonymous',
        status: 429,
        limits: [{ key: 'address:127.0.0.1', limit: 3, allowed: false }],
      });
      expect((await fetch(gateway.url)).status).toBe(429);
    },
    20_000,
  );

  it('counts for whom a trusted proxy names, and for nobody where that could not be read', async () => {
    const gateway = await begin({ trustedProxies: ['127.0.0.1/32'] });
    const of = (client: string): string => `X-Forwarded-For: ${client}\r\n`;
    for (let at = 0; at < 6; at += 1) {
      const answer = await answerTo(gateway, `GET / HTTP/1.1\r\nHost: a\r\nX-A : 1\r\n${of('192.0.2.1')}\r\n`);
      expect([answer.status, answer.header('x-ratelimit-remaining')]).toEqual([400, '3']);
    }
    const twice = `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${of('192.0.2.1')}\r\n`;
    const tunnel = `CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n${of('192.0.2.1')}\r\n`;
    const statuses: number[] = [];
    for (const bytes of [twice, tunnel, twice, twice]) statuses.push((await answerTo(gateway, bytes)).status);
    expect(statuses).toEqual([400, 405, 400, 429]);
    expect((await answerTo(gateway, twice.replace('192.0.2.1', '192.0.2.2'))).status).toBe(400);
  });

  it.each([
    ['a chunk that is none', 400, 'Transfer-Encoding: chunked\r\n\r\nZ\r\n'],
    [
      'more words about a chunk than there is room for',
      413,
      `Transfer-Encoding: chunked\r\n\r\n5;${'a'.repeat(20_000)}`,
    ],
    ['a body that does not come', 408, 'Content-Length: 100\r\n\r\nhalf'],
  ])('has the limit of who is known where its rest is wrong, and counts once: %s', async (_what, status, rest) => {
    const silent = kept(await openRawUpstream(() => undefined));
    const sha256 = createHash('sha256').update('key').digest('hex');
    const gateway = await begin({
      routes: [
        routeTo('app', {
          limits: { ...LIMIT, plans: { free: 50 } },
          auth: [{ is: 'keys', header: 'x-api-key', keys: [{ id: 'k', sha256, user: 'ada', scopes: [] }] }],
        }),
      ],
      upstreams: { app: { targets: [silent.origin] } },
      limits: { headersMs: 500, requestMs: 800 },
    });
    const asked = `POST / HTTP/1.1\r\nHost: a\r\nX-Api-Key: key\r\n${rest}`;
    for (const remaining of ['49', '48']) {
      const answer = await answerTo(gateway, asked);
      expect([answer.status, answer.header('x-ratelimit-limit')]).toEqual([status, '50']);
      expect(answer.header('x-ratelimit-remaining')).toBe(remaining);
    }
    expect((await answerTo(gateway, unjudged[0]?.[2] ?? '')).header('x-ratelimit-remaining')).toBe('2');
  });

  it('is answered with a limit where nothing can be counted', async () => {
    const fails = (): never => {
      throw new Error('no counts');
    };
    const gateway = await begin({ counters: { take: fails, look: fails, give: fails } });
    for (const [bytes, status] of [
      ['GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 500],
      [`GET / HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\n`, 500],
      ['SSH-2.0-OpenSSH_9.2\r\n', 400],
    ] as const) {
      const answer = await answerTo(gateway, bytes);
      expect([answer.status, answer.header('x-ratelimit-limit')]).toEqual([status, '3']);
      expect([answer.header('x-ratelimit-remaining'), answer.header('x-request-id')]).toEqual([
        '0',
        expect.stringMatching(/^[0-9a-f-]{36}$/),
      ]);
    }
  });

  it('comes after the answer to what was right before it', async () => {
    const gateway = await begin();
    const { text } = await rawClient(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\nSSH-2.0-OpenSSH_9.2\r\n').over;
    expect(text.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
    expect(text.match(/(?<=^x-ratelimit-remaining: )\d+/gm)).toEqual(['2', '1']);
  });

  it('is read no further while the count is waited for', async () => {
    const slow = memoryCounters();
    const app = kept(await openRawUpstream((socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')));
    const gateway = await begin({
      upstreams: { app: { targets: [app.origin] } },
      counters: {
        ...slow,
        async take(asked) {
          await new Promise((resolve) => setTimeout(resolve, 700));
          return await slow.take(asked);
        },
      },
      limits: { headersMs: 300 },
    });
    const client = rawClient(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n');
    // It comes late, but before the answer to its lateness.
    setTimeout(() => client.socket.write('\r\n'), 1_100);
    const { text } = await client.over;
    expect(text.match(/HTTP\/1\.1 \d{3}/g)).toEqual(['HTTP/1.1 408']);
    expect(app.text()).toBe('');
  });
});
