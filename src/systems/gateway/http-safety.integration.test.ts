// What two servers could read in two ways, sent byte by byte; what reaches the upstream is looked at byte by byte.
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import {
  openGateway,
  openRawUpstream,
  rawClient,
  type RawUpstream,
  routeTo,
  type TestGateway,
} from '../../testing/gateway.ts';

const ANSWER = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
const HOST = 'Host: shop.example\r\n';

describe('the gateway, by bytes', () => {
  let upstream: RawUpstream;
  let gateway: TestGateway;

  beforeAll(async () => {
    // Answers each request that it can see the end of, as a server that believes every word.
    const pending = new Map<number, string>();
    upstream = await openRawUpstream((socket, _received, chunk, connection) => {
      const { seen, rest } = read(`${pending.get(connection) ?? ''}${chunk}`);
      pending.set(connection, rest);
      for (const _ of seen) socket.write(ANSWER);
    });
    gateway = await openGateway({
      routes: [routeTo('app')],
      upstreams: { app: { targets: [upstream.origin], idleMs: 1_000 } },
    });
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });
  beforeEach(() => {
    for (const chunks of upstream.received) chunks.length = 0;
  });

  /** All that comes back until the connection ends, which the client ends itself where nobody else does. */
  async function send(bytes: string, patienceMs = 400): Promise<{ text: string; statuses: number[] }> {
    const client = rawClient(gateway.port, bytes);
    const timer = setTimeout(() => client.socket.end(), patienceMs);
    const { text } = await client.over;
    clearTimeout(timer);
    return { text, statuses: [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => Number(status)) };
  }

  describe('refuses, and asks nobody', () => {
    it.each([
      ['two lengths that differ', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`],
      [
        'two lengths that are the same',
        `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello`,
      ],
      ['a list of lengths', `POST / HTTP/1.1\r\n${HOST}Content-Length: 5, 5\r\n\r\nhello`],
      ['a length with a sign', `POST / HTTP/1.1\r\n${HOST}Content-Length: +5\r\n\r\nhello`],
      ['a negative length', `POST / HTTP/1.1\r\n${HOST}Content-Length: -5\r\n\r\nhello`],
      ['a length in hexadecimal', `POST / HTTP/1.1\r\n${HOST}Content-Length: 0x5\r\n\r\nhello`],
      ['a length beyond all numbers', `POST / HTTP/1.1\r\n${HOST}Content-Length: 99999999999999999999999\r\n\r\nhello`],
      [
        'length and chunks',
        `POST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ],
      [
        'chunks and length',
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n`,
      ],
      ['chunks that are not last', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n`],
      [
        'chunks twice',
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      ],
      ['chunks by another name', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n`],
      ['chunks after a vertical tab', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n`],
      ['a space before the colon', `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n`],
      ['a header continued on the next line', `GET / HTTP/1.1\r\n${HOST}X-A: 1\r\n 2\r\n\r\n`],
      [
        'chunks continued on the next line',
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n`,
      ],
      ['lines that end in a line feed alone', `GET / HTTP/1.1\nHost: a\n\n`],
      ['one line that ends in a line feed alone', `GET / HTTP/1.1\r\n${HOST}X-A: 1\nX-User-Id: 7\r\n\r\n`],
      ['a carriage return in a header', `GET / HTTP/1.1\r\n${HOST}X-A: 1\rX-User-Id: 7\r\n\r\n`],
      ['a null in a header', `GET / HTTP/1.1\r\n${HOST}X-A: 1\x002\r\n\r\n`],
      ['a header without a name', `GET / HTTP/1.1\r\n${HOST}: 1\r\n\r\n`],
      ['no host', `GET / HTTP/1.1\r\n\r\n`],
      ['two hosts', `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`],
      ['two credentials', `GET / HTTP/1.1\r\n${HOST}Authorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n`],
      ['a version that there is not', `GET / HTTP/1.2\r\n${HOST}\r\n`],
      ['HTTP/0.9', `GET /\r\n`],
      ['the preface of HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
      [
        'a chunk of a length that is none',
        `POST / HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\nZ\r\nhello\r\n0\r\n\r\n`,
      ],
      ['a control character in the path', `GET /a\x01b HTTP/1.1\r\n${HOST}\r\n`],
      ['a path with a line break in disguise', `GET /a%0d%0aX-User-Id:%207 HTTP/1.1\r\n${HOST}\r\n`],
      ['a path out of the root', `GET /../../etc/passwd HTTP/1.1\r\n${HOST}\r\n`],
      ['another protocol', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ])('%s', async (_what, bytes) => {
      const { text, statuses } = await send(bytes);
      expect(statuses[0] ?? 400).toBeGreaterThanOrEqual(400);
      expect(text).not.toContain('200 OK');
      expect(requestsIn(upstream.text())).toEqual([]);
    });

    it.each([201, 1_000])('more than 200 headers, %d, with 431', async (count) => {
      const many = Array.from({ length: count - 2 }, (_, at) => `A${at}: 1\r\n`).join('');
      // What decides comes last, where a server that stops reading at some number would not see it.
      for (const last of ['X-User-Id: 7', 'Authorization: Bearer forged', 'Transfer-Encoding: chunked']) {
        const { statuses, text } = await send(`GET / HTTP/1.1\r\n${HOST}${many}${last}\r\n\r\n`);
        expect(statuses).toEqual([431]);
        expect(text).toMatch(/^x-request-id: /im);
      }
      expect(upstream.text()).toBe('');
    });

    it('headers that are too long, with 431', async () => {
      const { statuses } = await send(`GET / HTTP/1.1\r\n${HOST}X-A: ${'a'.repeat(20_000)}\r\n\r\n`);
      expect(statuses).toEqual([431]);
      expect(upstream.text()).toBe('');
    });

    it('a tunnel to wherever one likes', async () => {
      expect((await send('CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n')).statuses).toEqual([
        405,
      ]);
      expect(upstream.text()).toBe('');
    });
  });

  describe('lets one request be one request', () => {
    it.each([
      [
        'a chunk that ends with a line feed alone',
        `POST /one HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n`,
      ],
      [
        'a chunk with an extension',
        `POST /one HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\n\r\n`,
      ],
      [
        'a chunk longer than it says',
        `POST /one HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n5\r\nhelloGET /two HTTP/1.1\r\n${HOST}\r\n0\r\n\r\n`,
      ],
      [
        'a body that looks like a request',
        `POST /one HTTP/1.1\r\n${HOST}Content-Length: 40\r\n\r\nGET /two HTTP/1.1\r\nHost: shop.example\r\n\r\n`,
      ],
      [
        'a body of chunks that looks like a request',
        `POST /one HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n28\r\nGET /two HTTP/1.1\r\nHost: shop.example\r\n\r\n\r\n0\r\n\r\n`,
      ],
      [
        'a body of a GET',
        `GET /one HTTP/1.1\r\n${HOST}Content-Length: 40\r\n\r\nGET /two HTTP/1.1\r\nHost: shop.example\r\n\r\n`,
      ],
      [
        'trailers that say who one is',
        `POST /one HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nTrailer: x-user-id\r\n\r\n0\r\nX-User-Id: 7\r\n\r\n`,
      ],
    ])('%s', async (_what, bytes) => {
      await send(bytes);
      const came = requestsIn(upstream.text());
      expect(came.length).toBeLessThanOrEqual(1);
      expect(came.every(({ line }) => /^(GET|POST) \/one HTTP\/1\.1$/.test(line))).toBe(true);
      expect(upstream.text().toLowerCase()).not.toContain('x-user-id');
    });

    it('with 200 headers, all of which get there', async () => {
      const many = Array.from({ length: 198 }, (_, at) => `A${at}: 1\r\n`).join('');
      const { statuses } = await send(`GET /one HTTP/1.1\r\n${HOST}${many}Connection: close\r\n\r\n`);
      expect(statuses).toEqual([200]);
      const [came] = requestsIn(upstream.text());
      expect(Object.keys(came?.headers ?? {}).filter((name) => /^a\d+$/.test(name))).toHaveLength(198);
    });

    it('with chunks, which the upstream gets in one way', async () => {
      await send(
        `POST /one HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n2;x\r\nhe\r\n003\r\nllo\r\n0\r\n\r\n`,
      );
      const [came] = requestsIn(upstream.text());
      expect(came?.body).toBe('hello');
      // One way to say where it ends, whichever.
      expect(['transfer-encoding', 'content-length'].filter((name) => came?.headers[name] !== undefined)).toHaveLength(
        1,
      );
    });

    it('and two in one breath are two, in order', async () => {
      const { statuses } = await send(
        `GET /one HTTP/1.1\r\n${HOST}\r\nGET /two HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`,
      );
      expect(statuses).toEqual([200, 200]);
      expect(
        requestsIn(upstream.text())
          .map(({ line }) => line)
          .toSorted(),
      ).toEqual(['GET /one HTTP/1.1', 'GET /two HTTP/1.1']);
    });
  });

  describe('says itself who one is', () => {
    it.each([
      'X-User-Id: 7',
      'x-user-ID: 7',
      'X_User_Id: 7',
      'X-User-Plan: enterprise',
      'X_USER_PLAN: enterprise',
      'X-Request-Id: mine',
      'X-Forwarded-For: 7.7.7.7',
      'X-Forwarded-Host: evil.example',
      'X-Forwarded-Proto: https',
      'X_Forwarded_For: 7.7.7.7',
      'Forwarded: for=7.7.7.7',
      'X-Real-Ip: 7.7.7.7',
      'X-Original-Url: /admin',
      'X-Http-Method-Override: DELETE',
    ])('and passes no %s on', async (header) => {
      const { statuses } = await send(`GET / HTTP/1.1\r\n${HOST}${header}\r\nConnection: close\r\n\r\n`);
      expect(statuses).toEqual([200]);
      const value = header.slice(header.indexOf(':') + 2);
      expect(upstream.text()).not.toContain(`: ${value}\r\n`);
      expect(upstream.text()).not.toContain(header);
    });

    it('and keeps what is meant for itself', async () => {
      await send(
        `GET / HTTP/1.1\r\n${HOST}Connection: close, X-Secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=9\r\nProxy-Authorization: Basic x\r\nProxy-Connection: keep-alive\r\nTE: trailers\r\nX-Kept: 1\r\n\r\n`,
      );
      const [came] = requestsIn(upstream.text());
      expect(came?.headers['x-kept']).toBe('1');
      for (const name of ['x-secret', 'keep-alive', 'proxy-authorization', 'proxy-connection', 'te'])
        expect(came?.headers[name]).toBeUndefined();
    });

    it('and speaks no other protocol with the upstream than it judges', async () => {
      await send(
        `GET /one HTTP/1.1\r\n${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n`,
      );
      await send(
        `POST /one HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: 5\r\n\r\nhelloGET /two HTTP/1.1\r\n${HOST}\r\n`,
      );
      expect(upstream.text().toLowerCase()).not.toMatch(/upgrade|http2|pri \*/);
    });

    it('and where the upstream is, whatever the request says', async () => {
      await send(`GET http://shop.example/x HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`);
      const [came] = requestsIn(upstream.text());
      expect(came?.line).toBe('GET /x HTTP/1.1');
      expect(came?.headers['host']).toBe(`127.0.0.1:${upstream.port}`);
    });

    it.each([
      `GET http://169.254.169.254/latest/meta-data HTTP/1.1\r\n${HOST}\r\n`,
      `GET //169.254.169.254/ HTTP/1.1\r\n${HOST}\r\n`,
      `GET /\\169.254.169.254/ HTTP/1.1\r\n${HOST}\r\n`,
      `GET @169.254.169.254/ HTTP/1.1\r\n${HOST}\r\n`,
      `GET http://user@169.254.169.254/ HTTP/1.1\r\n${HOST}\r\n`,
      `GET file:///etc/passwd HTTP/1.1\r\n${HOST}\r\n`,
      `GET * HTTP/1.1\r\n${HOST}\r\n`,
    ])('and goes nowhere else for %s', async (bytes) => {
      await send(bytes);
      for (const { line, headers } of requestsIn(upstream.text())) {
        expect(line).toMatch(/^GET \/[^/\\]/);
        expect(headers['host']).toBe(`127.0.0.1:${upstream.port}`);
      }
    });
  });

  describe('waits for nobody without end', () => {
    it('not for headers', async () => {
      const client = rawClient(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n');
      const drip = setInterval(() => client.socket.write('X-A: 1\r\n'), 100);
      const { text } = await client.over;
      clearInterval(drip);
      expect(text).toMatch(/^HTTP\/1\.1 408 /);
      expect(upstream.text()).toBe('');
    });

    it('not for a body that stalls', async () => {
      const client = rawClient(gateway.port, `POST / HTTP/1.1\r\n${HOST}Content-Length: 100\r\n\r\nhalf`);
      expect((await client.over).text).toMatch(/^HTTP\/1\.1 408 /);
    });

    it('not for a body that comes drop by drop', async () => {
      const client = rawClient(gateway.port, `POST / HTTP/1.1\r\n${HOST}Content-Length: 1000\r\n\r\n`);
      const drip = setInterval(() => client.socket.write('x'), 200);
      const { text } = await client.over;
      clearInterval(drip);
      expect(text).not.toContain('200 OK');
      expect(requestsIn(upstream.text())).toEqual([]);
    });

    it('not for one who only connects', async () => {
      const { text } = await rawClient(gateway.port).over;
      expect(text).toMatch(/^$|^HTTP\/1\.1 408 /);
    });
  });

  it('whatever comes, the upstream sees only whole requests for what was judged, and the gateway goes on', async () => {
    const piece = fc.constantFrom(
      'GET /one HTTP/1.1\r\n',
      'POST /one HTTP/1.1\r\n',
      HOST,
      'Content-Length: 5\r\n',
      'Content-Length: 0\r\n',
      'Transfer-Encoding: chunked\r\n',
      'Transfer-Encoding: identity\r\n',
      'Connection: Transfer-Encoding\r\n',
      'Connection: keep-alive, Content-Length\r\n',
      'Expect: 100-continue\r\n',
      'X-User-Id: 7\r\n',
      '\r\n',
      '\n',
      '\r',
      ' ',
      '\0',
      '5\r\nhello\r\n',
      '0\r\n\r\n',
      'hello',
      'GET /two HTTP/1.1\r\nHost: shop.example\r\n\r\n',
    );
    await fc.assert(
      fc.asyncProperty(fc.array(piece, { minLength: 1, maxLength: 14 }), async (pieces) => {
        for (const chunks of upstream.received) chunks.length = 0;
        const { text, statuses } = await send(pieces.join(''), 25);
        // Every answer but one that is none yet says its limit and its id.
        const answers = statuses.filter((status) => status >= 200);
        for (const header of ['x-ratelimit-limit', 'x-ratelimit-remaining', 'x-request-id'])
          expect([header, [...text.matchAll(new RegExp(`^${header}: `, 'gim'))].length]).toEqual([
            header,
            answers.length,
          ]);
        const came = requestsIn(upstream.text());
        for (const { line, headers } of came) {
          expect(line).toMatch(/^(GET|POST) \/(one|two) HTTP\/1\.1$/);
          expect(headers['x-user-id']).toBeUndefined();
          expect(headers['content-length'] !== undefined && headers['transfer-encoding'] !== undefined).toBe(false);
        }
        // No more came there than the gateway itself read and answered.
        expect(came.length).toBeLessThanOrEqual(Math.max(statuses.length, came.length === 0 ? 0 : 1));
      }),
      { numRuns: 200 },
    );
    expect((await send(`GET /one HTTP/1.1\r\n${HOST}Connection: close\r\n\r\n`)).statuses).toEqual([200]);
  });
});

interface Seen {
  readonly line: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

function requestsIn(bytes: string): Seen[] {
  return read(bytes).seen;
}

/** The whole requests in what a server received, read as plainly as can be, and what is left. */
function read(bytes: string): { seen: Seen[]; rest: string } {
  const seen: Seen[] = [];
  let left = bytes;
  for (;;) {
    let rest = left;
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return { seen, rest: left };
    const [line = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((each) => [each.slice(0, each.indexOf(':')).toLowerCase(), each.slice(each.indexOf(':') + 1).trim()]),
    );
    rest = rest.slice(end + 4);
    let body = '';
    if (headers['transfer-encoding'] === 'chunked') {
      for (;;) {
        const match = /^([0-9a-f]+)\r\n/i.exec(rest);
        if (!match) return { seen, rest: left };
        const size = Number.parseInt(match[1] ?? '', 16);
        if (rest.length < match[0].length + size + 2) return { seen, rest: left };
        body += rest.slice(match[0].length, match[0].length + size);
        rest = rest.slice(match[0].length + size + 2);
        if (size === 0) break;
      }
    } else {
      const size = Number(headers['content-length'] ?? 0);
      if (rest.length < size) return { seen, rest: left };
      body = rest.slice(0, size);
      rest = rest.slice(size);
    }
    seen.push({ line, headers, body });
    left = rest;
  }
}
