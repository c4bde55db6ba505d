import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createProber } from '../../src/adapters/probes/index.ts';
import { CheckTarget } from '../../src/core/check.ts';
import type { ProbeTimes, Seen } from '../handlers/probe/http.ts';
import type { HttpTarget } from '../handlers/probe/http-target.ts';

export interface ProbeCase {
  readonly target: HttpTarget;
  readonly times: ProbeTimes;
}

type Wanted = Partial<HttpTarget> & { readonly path?: string };

const TIMES = { timeoutMs: 1_500, slowMs: 60_000 };

/**
 * One suite for every runtime that looks: the same real servers are asked by it and by the prober of a server, and both have to say
 * the same. Why a connection failed only some runtimes tell.
 */
export function probeSuite(
  ask: (cases: readonly ProbeCase[]) => Promise<readonly Seen[]>,
  { tellsReasons }: { readonly tellsReasons: boolean },
): void {
  const prober = createProber({ secrets: async () => '' });
  const agents: string[] = [];
  let server: Server;
  let closed: number;
  let mute: ReturnType<typeof createTcpServer>;
  let base: string;
  let elsewhere: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      agents.push(request.headers['user-agent'] ?? '');
      answer(request.url ?? '', request.method ?? '', request.headers, response, elsewhere);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address() as AddressInfo;
    base = `http://127.0.0.1:${port}`;
    elsewhere = `http://localhost:${port}`;
    const gone = createTcpServer();
    await new Promise<void>((done) => gone.listen(0, '127.0.0.1', done));
    closed = (gone.address() as AddressInfo).port;
    await new Promise((done) => gone.close(done));
    mute = createTcpServer((socket) => void socket.on('error', () => undefined).once('data', () => socket.destroy()));
    await new Promise<void>((done) => mute.listen(0, '127.0.0.1', done));
  });
  afterAll(async () => {
    await prober.close();
    server.closeAllConnections();
    server.close();
    mute.close();
  });

  const caseOf = ({ path = '/', ...more }: Wanted, times: ProbeTimes = TIMES): ProbeCase => ({
    target: { kind: 'http', url: base + path, expectStatus: [200], ...more },
    times,
  });
  async function both(asked: ProbeCase): Promise<{ seen: Seen; expected: Seen }> {
    const { signal } = new AbortController();
    const [[seen], expected] = await Promise.all([
      ask([asked]),
      prober.probe(CheckTarget.parse(asked.target), { ...asked.times, signal }),
    ]);
    if (!seen) throw new Error('Nothing was seen.');
    return { seen, expected: expected as Seen };
  }
  const brief = ({ state, message, depth, detail }: Seen): object => ({
    state,
    message,
    depth,
    status: detail['status'],
  });

  describe('of what answers', () => {
    it.each<[string, Wanted, Seen['state']]>([
      ['as it should', {}, 'up'],
      ['with an error', { path: '/500' }, 'down'],
      ['with another status that will do', { path: '/404', expectStatus: [200, 404] }, 'up'],
      ['below a limit', { path: '/401', acceptAnyBelow: 500 }, 'up'],
      ['not below it', { path: '/500', acceptAnyBelow: 500 }, 'down'],
      ['with nothing', { path: '/204', expectStatus: [204] }, 'up'],
      ['with the right body', { expectBody: 'hello' }, 'up'],
      ['with another body', { expectBody: 'good bye' }, 'down'],
      ['with what it must not have', { expectNoBody: 'wörld' }, 'down'],
      ['with what an expression matches', { expectMatch: '^hello,?\\s+w.rld$' }, 'up'],
      ['with what an expression with flags matches', { expectMatch: '(?i)HELLO' }, 'up'],
      ['with what it does not', { expectMatch: '^bye' }, 'down'],
      ['with the right header', { expectHeaders: { 'Content-Type': 'TEXT/plain' } }, 'up'],
      ['with another one', { expectHeaders: { 'content-type': 'json' } }, 'down'],
      ['without it', { expectHeaders: { 'x-missing': 'y' } }, 'down'],
      ['to POST with a body', { path: '/echo', method: 'POST', body: 'ping', expectBody: 'POST ping' }, 'up'],
      ['to HEAD', { method: 'HEAD' }, 'up'],
      ['to a header of ours', { path: '/authorized', headers: { authorization: 'Bearer right' } }, 'up'],
      ['with more than is read', { path: '/long', expectBody: 'the end' }, 'down'],
      ['with a redirect that is not followed', { path: '/redirect' }, 'down'],
      ['with one that is what is expected', { path: '/redirect', expectStatus: [302] }, 'up'],
      ['with one that is followed', { path: '/redirect', followRedirects: true, expectBody: 'hello' }, 'up'],
      ['with too many of them', { path: '/loop', followRedirects: true }, 'down'],
      [
        'elsewhere, where our header has no business',
        { path: '/away', followRedirects: true, headers: { authorization: 'Bearer right' }, expectStatus: [401] },
        'up',
      ],
      ['slowly, and within its time', { path: '/slow' }, 'up'],
    ])('%s', async (_how, wanted, state) => {
      const { seen, expected } = await both(caseOf(wanted));
      expect(seen.state).toBe(state);
      expect(brief(seen)).toEqual(brief(expected));
    });

    it('slower than it may', async () => {
      const { seen, expected } = await both(caseOf({ path: '/slow' }, { timeoutMs: 3_000, slowMs: 100 }));
      expect([seen.state, seen.depth]).toEqual(['degraded', 'query']);
      expect(expected.state).toBe('degraded');
      expect(seen.message).toMatch(/^slow: HTTP 200 after \d+ ms$/);
    });
  });

  describe('of what does not', () => {
    it.each<[string, string]>([
      ['not at all', '/never'],
      ['not to its end', '/half'],
    ])('%s within its time', async (_how, path) => {
      const { seen, expected } = await both(caseOf({ path }, { timeoutMs: 700, slowMs: 60_000 }));
      expect(brief(seen)).toEqual(brief(expected));
      expect(seen).toMatchObject({ state: 'down', detail: { code: 'TIMEOUT' } });
    });

    it.each<[string, () => string]>([
      ['because the port is closed', () => `http://127.0.0.1:${closed}/`],
      ['because the connection is cut', () => `http://127.0.0.1:${(mute.address() as AddressInfo).port}/`],
      ['because there is no such name', () => 'http://nothing.invalid/'],
      ['because it speaks no TLS', () => base.replace('http:', 'https:')],
    ])('%s', async (_why, url) => {
      const { seen, expected } = await both(caseOf({ url: url() }));
      if (!tellsReasons) return expect(seen.state).toBe('down');
      // A resolver that cannot be reached says something else than one that knows no such name.
      expect(seen.state).toBe(expected.state);
      expect(seen.message.split(':')[0]).toBe(expected.message.split(':')[0]);
      expect(seen.latencyMs).toBeLessThan(5_000);
    });
  });

  it('says who it is', async () => {
    agents.length = 0;
    await ask([caseOf({ headers: { 'user-agent': 'InsightPulse-HealthCheck/1.0' } })]);
    expect(agents).toEqual(['InsightPulse-HealthCheck/1.0']);
  });
}

type Response = Parameters<Parameters<typeof createServer>[1] & object>[1];

function answer(
  path: string,
  method: string,
  headers: Readonly<Record<string, string | string[] | undefined>>,
  response: Response,
  elsewhere: string,
): void {
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  const [, number] = /^\/(\d{3})$/.exec(path) ?? [];
  if (number !== undefined) return void response.writeHead(Number(number)).end();
  switch (path) {
    case '/echo': {
      const chunks: Buffer[] = [];
      response.req.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.req.on('end', () => response.end(`${method} ${Buffer.concat(chunks).toString()}`));
      return;
    }
    case '/authorized':
      return void response.writeHead(headers['authorization'] === 'Bearer right' ? 200 : 401).end();
    case '/redirect':
      return void response.writeHead(302, { location: '/' }).end();
    case '/loop':
      return void response.writeHead(302, { location: '/loop' }).end();
    case '/away':
      return void response.writeHead(302, { location: `${elsewhere}/authorized` }).end();
    case '/long':
      return void response.end(`${'x'.repeat(300 * 1024)}the end`);
    case '/slow':
      return void setTimeout(() => response.end('hello'), 300);
    case '/half':
      return void response.write('hel');
    case '/never':
      return undefined;
    default:
      return void response.end('hello wörld');
  }
}
