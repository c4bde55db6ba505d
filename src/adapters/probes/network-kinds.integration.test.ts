import { once } from 'node:events';
import { createServer } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { SMTPServer } from 'smtp-server';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { CheckTarget, type ProbeResult } from '../../core/check.ts';
import { type Authority, createAuthority } from '../../testing/world/authority.ts';
import { type DnsServer, startDnsServer } from '../../testing/world/dns-server.ts';
import { type HttpServers, httpServers } from '../../testing/world/http-server.ts';
import { freePort, hasProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createProber } from './index.ts';

// Every kind of check that asks somebody else: how it fails and recovers against a real peer.

const DAY_MS = 86_400_000;
const SECRETS: Readonly<Record<string, string>> = { RIGHT: 's3cret', WRONG: 'guess' };
const secrets = async (reference: object): Promise<string> => SECRETS[(reference as { env: string }).env] ?? '';
let clock = (): Date => new Date();
const prober = createProber({ secrets, now: () => clock() });

let folder: TempFolder;
let web: HttpServers;
beforeAll(async () => {
  folder = await tempFolder('stw-kinds');
  web = httpServers();
});
afterAll(async () => {
  await prober.close();
  await web.close();
  await folder.remove();
});
beforeEach(() => {
  clock = () => new Date();
});

const look = (target: object, timeoutMs = 3_000): Promise<ProbeResult> =>
  prober.probe(CheckTarget.parse(target), { timeoutMs, slowMs: 30_000, signal: new AbortController().signal });

describe('dns', () => {
  let server: DnsServer;
  beforeAll(async () => {
    server = await startDnsServer({
      'A www.example.test': ['192.0.2.1', '192.0.2.2'],
      'AAAA www.example.test': ['2001:0db8:0:0:0:0:0:1'],
      'CNAME alias.example.test': ['www.example.test'],
      'MX example.test': ['10 mail.example.test'],
      'TXT example.test': ['v=spf1 -all'],
      'NS example.test': ['ns1.example.test'],
      'SRV _sip._tcp.example.test': ['0 5 5060 sip.example.test'],
      'CAA example.test': ['0 issue ca.example'],
      'PTR 1.2.0.192.in-addr.arpa': ['www.example.test'],
      'SOA example.test': ['ns1.example.test admin.example.test 7'],
    });
  });
  afterAll(() => server[Symbol.asyncDispose]());
  const dns = (more: object, timeoutMs?: number): Promise<ProbeResult> =>
    look({ kind: 'dns', name: 'www.example.test', server: '127.0.0.1', port: server.port, ...more }, timeoutMs);

  it.each([
    ['A', 'www.example.test', '192.0.2.2'],
    ['AAAA', 'www.example.test', '2001:db8::1'],
    ['CNAME', 'alias.example.test', 'WWW.example.test.'],
    ['MX', 'example.test', '10 mail.example.test'],
    ['TXT', 'example.test', 'v=spf1 -all'],
    ['NS', 'example.test', 'ns1.example.test'],
    ['SRV', '_sip._tcp.example.test', '0 5 5060 sip.example.test'],
    ['CAA', 'example.test', '0 issue ca.example'],
    ['PTR', '192.0.2.1', 'www.example.test'],
    ['SOA', 'example.test', 'ns1.example.test admin.example.test 7'],
  ])('%s is as expected, is down once it is another one, and recovers', async (type, name, value) => {
    server.manner = 'answer';
    expect(await dns({ type, name, expect: [value] })).toMatchObject({ state: 'up', depth: 'query' });
    const missing = await dns({ type, name, expect: [`${value}0`] });
    expect(missing).toMatchObject({ state: 'down', message: expect.stringContaining(`expected ${value}0`) });
    expect(await dns({ type, name })).toMatchObject({ state: 'up' });
  });

  it('comes again over TCP where the answer is too long, tells a refusal from silence, and recovers', async () => {
    server.manner = 'truncate';
    expect(await dns({ expect: ['192.0.2.1'] })).toMatchObject({ state: 'up' });
    expect(server.asked.at(-1)).toBe('tcp A www.example.test');
    server.manner = 'refuse';
    expect(await dns({})).toMatchObject({ state: 'down', depth: 'query', detail: { code: 'EREFUSED' } });
    expect(await dns({ acceptAnyAnswer: true })).toMatchObject({ state: 'up', depth: 'handshake' });
    server.manner = 'fail';
    expect(await dns({})).toMatchObject({ state: 'down', detail: { code: 'ESERVFAIL' } });
    server.manner = 'drop';
    expect(await dns({ acceptAnyAnswer: true }, 200)).toMatchObject({ state: 'down', detail: { code: 'TIMEOUT' } });
    server.manner = 'answer';
    expect(await dns({ name: 'nobody.example.test' })).toMatchObject({ state: 'down', detail: { code: 'ENOTFOUND' } });
    expect(await dns({ port: await freePort(), acceptAnyAnswer: true })).toMatchObject({
      state: 'down',
      depth: 'presence',
    });
    expect(await dns({})).toMatchObject({ state: 'up' });
  });
});

describe.skipIf(!hasProgram('openssl'))('tls (needs openssl)', () => {
  let authority: Authority;
  beforeAll(() => {
    authority = createAuthority(folder.path);
  });

  async function serving(options: TlsOptions, asking: (port: number) => Promise<void>): Promise<void> {
    const server = createTlsServer(options, (socket) => socket.on('error', () => undefined));
    server.on('tlsClientError', () => undefined);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      await asking((server.address() as { port: number }).port);
    } finally {
      await new Promise((resolve) => server.close(resolve));
    }
  }
  const tls = (port: number, more: object = {}): Promise<ProbeResult> =>
    look({ kind: 'tls', port, serverName: 'shop.test', ca: authority.rootFile, ...more });

  it('is valid with its chain, warned of in time, critical, expired, and well again once it is renewed', async () => {
    const { cert, key } = authority.issue('shop.test');
    await serving({ cert: cert + authority.intermediate, key }, async (port) => {
      expect(await tls(port)).toMatchObject({
        state: 'up',
        depth: 'query',
        detail: { chain: 'shop.test-1 < between < Test Root' },
      });
      for (const [days, state, message] of [
        [55, 'up', /valid for/],
        [62, 'degraded', /not renewed yet/],
        [82, 'degraded', /critical/],
        [95, 'down', /expired/],
      ] as const) {
        clock = () => new Date(Date.now() + days * DAY_MS);
        expect(await tls(port)).toMatchObject({ state, message: expect.stringMatching(message) });
      }
      expect(await tls(port, { warnOnly: true })).toMatchObject({ state: 'degraded' });
      clock = () => new Date();
      expect(await tls(port, { warn: '100d' })).toMatchObject({ state: 'degraded' });
      expect(await tls(port)).toMatchObject({ state: 'up' });
    });
  });

  it('tells one that really expired, another name, an unknown issuer and a missing intermediate apart', async () => {
    const old = authority.issue('shop.test', { from: new Date('2024-01-01'), to: new Date('2024-03-01') });
    await serving({ cert: old.cert + authority.intermediate, key: old.key }, async (port) =>
      expect(await tls(port)).toMatchObject({ state: 'down', message: expect.stringContaining('expired') }),
    );
    const good = authority.issue('shop.test', { names: 'DNS:shop.test,DNS:*.shop.test' });
    await serving({ cert: good.cert + authority.intermediate, key: good.key }, async (port) => {
      expect(await tls(port, { serverName: 'other.test' })).toMatchObject({
        state: 'down',
        message: expect.stringContaining('not for other.test'),
      });
      expect(await tls(port, { serverName: 'other.test', anyName: true })).toMatchObject({ state: 'up' });
      expect(await tls(port, { serverName: 'www.shop.test' })).toMatchObject({ state: 'up' });
      expect(await tls(port, { ca: undefined })).toMatchObject({
        state: 'down',
        message: expect.stringContaining('not trusted'),
      });
    });
    await serving({ cert: good.cert, key: good.key }, async (port) =>
      expect(await tls(port)).toMatchObject({ state: 'down', message: expect.stringContaining('intermediate') }),
    );
    const self = authority.selfSigned('shop.test');
    await serving({ cert: self.cert, key: self.key }, async (port) => {
      expect(await tls(port)).toMatchObject({ state: 'down', message: expect.stringContaining('signed itself') });
      expect(await tls(port, { anyIssuer: true })).toMatchObject({ state: 'up' });
    });
  });

  it('reads a file as it reads a server', async () => {
    const { certFile } = authority.issue('file.test');
    expect(await look({ kind: 'tls', file: certFile })).toMatchObject({ state: 'up' });
    clock = () => new Date(Date.now() + 70 * DAY_MS);
    expect(await look({ kind: 'tls', file: certFile })).toMatchObject({ state: 'degraded' });
    expect(await look({ kind: 'tls', file: `${certFile}.gone` })).toMatchObject({ state: 'down' });
  });

  it('is down where nobody speaks TLS, and where somebody says nothing', async () => {
    const mute = createServer(() => undefined).listen(0, '127.0.0.1');
    const loud = createServer((socket) => socket.end('hello, who is there?\r\n')).listen(0, '127.0.0.1');
    await Promise.all([once(mute, 'listening'), once(loud, 'listening')]);
    const port = (server: typeof mute): number => (server.address() as { port: number }).port;
    expect(await look({ kind: 'tls', port: port(mute) }, 200)).toMatchObject({
      state: 'down',
      detail: { code: 'TIMEOUT' },
    });
    expect(await look({ kind: 'tls', port: port(loud) })).toMatchObject({
      state: 'down',
      message: expect.stringContaining('no TLS'),
    });
    expect(await look({ kind: 'tls', port: await freePort() })).toMatchObject({
      state: 'down',
      detail: { code: 'ECONNREFUSED' },
    });
    for (const server of [mute, loud]) server.close();
  });

  it('begins in SMTP where it is told to', async () => {
    const { cert, key } = authority.issue('shop.test');
    const mail = await mailServer({ cert: cert + authority.intermediate, key });
    expect(await tls(mail.port, { startTls: 'smtp' })).toMatchObject({
      state: 'up',
      detail: { subject: expect.stringContaining('shop.test') },
    });
    expect(await tls(mail.port, { startTls: 'imap' })).toMatchObject({
      state: 'down',
      message: expect.stringContaining('does not begin TLS in imap'),
    });
    await mail.close();
  });

  it('of SMTP: STARTTLS wanted and offered or not, its certificate judged, and the login', async () => {
    const self = authority.selfSigned('mail.test');
    const mail = await mailServer({ cert: self.cert, key: self.key });
    const smtp = (more: object): Promise<ProbeResult> => look({ kind: 'smtp', port: mail.port, ...more });
    expect(await smtp({})).toMatchObject({ state: 'down', message: expect.stringContaining('TLS') });
    expect(await smtp({ insecure: true, tls: 'required' })).toMatchObject({ state: 'up', detail: { tls: true } });
    expect(await smtp({ tls: 'never' })).toMatchObject({ state: 'up', detail: { tls: false } });
    expect(await smtp({ insecure: true, user: 'me', password: { env: 'RIGHT' } })).toMatchObject({
      state: 'up',
      message: 'login accepted',
    });
    expect(await smtp({ insecure: true, user: 'me', password: { env: 'WRONG' } })).toMatchObject({
      state: 'down',
      detail: { code: 'LOGIN_REFUSED' },
    });
    await mail.close();
  });
});

async function mailServer(tls?: {
  cert: string;
  key: string;
}): Promise<{ port: number; mails: () => number; close(): Promise<void> }> {
  let mails = 0;
  const server = new SMTPServer({
    ...tls,
    authOptional: true,
    hideSTARTTLS: tls === undefined,
    disabledCommands: tls ? [] : ['AUTH'],
    onAuth: ({ password }, _session, done) =>
      password === 's3cret' ? done(null, { user: 'me' }) : done(new Error('no')),
    onMailFrom: (_address, _session, done) => {
      mails += 1;
      done();
    },
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.server.address() as { port: number }).port,
    mails: () => mails,
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

describe('smtp', () => {
  it('is up, sends no mail, is down once nobody answers or another protocol does, and recovers', async () => {
    const mail = await mailServer();
    expect(await look({ kind: 'smtp', port: mail.port })).toMatchObject({
      state: 'up',
      depth: 'query',
      message: 'greets and answers EHLO',
    });
    expect(await look({ kind: 'smtp', port: mail.port, tls: 'required' })).toMatchObject({ state: 'down' });
    expect(mail.mails()).toBe(0);
    await mail.close();
    expect(await look({ kind: 'smtp', port: mail.port })).toMatchObject({
      state: 'down',
      detail: { code: 'ECONNREFUSED' },
    });
    const busy = createServer((socket) => socket.end('421 mail.test too busy, come again\r\n')).listen(0, '127.0.0.1');
    const mute = createServer(() => undefined).listen(0, '127.0.0.1');
    const other = createServer((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n')).listen(0, '127.0.0.1');
    await Promise.all([busy, mute, other].map((server) => once(server, 'listening')));
    const at = (server: typeof busy): number => (server.address() as { port: number }).port;
    expect(await look({ kind: 'smtp', port: at(busy) })).toMatchObject({ state: 'degraded' });
    expect(await look({ kind: 'smtp', port: at(mute) }, 200)).toMatchObject({
      state: 'down',
      message: 'no greeting within 200 ms',
    });
    expect(await look({ kind: 'smtp', port: at(other) })).toMatchObject({ state: 'down' });
    for (const server of [busy, mute, other]) server.close();
    const again = await mailServer();
    expect(await look({ kind: 'smtp', port: again.port })).toMatchObject({ state: 'up' });
    await again.close();
  });
});

describe('http', () => {
  it('asserts on method, secret headers, body, headers and JSON, fails on each, and recovers', async () => {
    const seen: string[] = [];
    let answer: { body: string; type: string } = { body: '', type: '' };
    const port = await web.serve((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += String(chunk)));
      request.on('end', () => {
        seen.push(`${request.method} ${request.headers['x-key'] as string} ${body}`);
        response.setHeader('content-type', answer.type).end(answer.body);
      });
    });
    const check = {
      kind: 'http',
      url: `http://127.0.0.1:${port}/health`,
      method: 'POST',
      body: '{"deep":true}',
      headers: { 'x-key': { env: 'RIGHT' } },
      expectHeaders: { 'Content-Type': 'json' },
      expectMatch: '"status": ?"(ok|fine)"',
      expectNoBody: 'panic',
      expectJson: [
        { path: '$.status', equals: 'ok' },
        { path: '$.parts[*].ready', equals: true },
        { path: '$.queue', below: 100 },
        { path: '$.errors', exists: false },
        { path: '$.parts', count: 1 },
      ],
    };
    const say = async (body: unknown, type = 'application/json'): Promise<ProbeResult> => {
      answer = { body: typeof body === 'string' ? body : JSON.stringify(body), type };
      return await look(check);
    };
    const good = { status: 'ok', parts: [{ ready: true }, { ready: true }], queue: 3 };
    expect(await say(good)).toMatchObject({ state: 'up', depth: 'query' });
    expect(seen).toEqual(['POST s3cret {"deep":true}']);
    for (const [bad, message] of [
      [{ ...good, status: 'fine' }, '$.status is "fine", expected "ok"'],
      [{ ...good, parts: [{ ready: true }, { ready: false }] }, 'is false, expected true'],
      [{ ...good, queue: 100 }, '$.queue is 100, expected below 100'],
      [{ ...good, queue: 'many' }, '$.queue is "many", expected below 100'],
      [{ ...good, errors: [] }, '$.errors is there'],
      [{ ...good, parts: [] }, '$.parts[*].ready finds nothing'],
      [{ ...good, note: 'panic' }, 'the text that it must not have'],
      [{ status: 'bad' }, 'does not match'],
    ] as const)
      expect(await say(bad)).toMatchObject({ state: 'down', message: expect.stringContaining(message) });
    expect(await say(good, 'text/html')).toMatchObject({
      state: 'down',
      message: expect.stringContaining('Content-Type'),
    });
    expect(await say('"status": "ok" <html>')).toMatchObject({
      state: 'down',
      message: expect.stringContaining('no JSON'),
    });
    expect(await say(good)).toMatchObject({ state: 'up' });
  });

  it('does not hand the secret on to another host, nor show it where the peer repeats it', async () => {
    const seen: unknown[] = [];
    const elsewhere = await web.serve((request, response) => {
      seen.push(request.headers['x-key']);
      response.end('ok');
    });
    const port = await web.serve((request, response) =>
      request.url === '/echo'
        ? response.writeHead(500).end(`you said ${request.headers['x-key'] as string}`)
        : response.writeHead(302, { location: `http://127.0.0.1:${elsewhere}/` }).end(),
    );
    const headers = { 'x-key': { env: 'RIGHT' } };
    expect(
      await look({ kind: 'http', url: `http://127.0.0.1:${port}/`, headers, followRedirects: true }),
    ).toMatchObject({ state: 'up' });
    expect(seen).toEqual([undefined]);
    const echoed = await look({ kind: 'http', url: `http://127.0.0.1:${port}/echo`, headers });
    expect(JSON.stringify(echoed)).not.toContain('s3cret');
  });

  it('takes no time for an expression and a text that keep others busy for ever', async () => {
    const port = await web.serve((_request, response) => response.end(`${'a'.repeat(50_000)}!`));
    const began = performance.now();
    expect(
      await look({ kind: 'http', url: `http://127.0.0.1:${port}/`, expectMatch: '^(a+)+$' }, 20_000),
    ).toMatchObject({ state: 'down' });
    // Backtracking would take longer than there is time.
    expect(performance.now() - began).toBeLessThan(15_000);
  });
});

describe('models', () => {
  it('on a server that behaves as the published API of Ollama says: lists, answers, embeds, fails and recovers', async () => {
    let models = ['llama3:latest', 'nomic-embed-text:latest'];
    let broken = false;
    const asked: string[] = [];
    const port = await web.serve((request, response) => {
      let text = '';
      request.on('data', (chunk) => (text += String(chunk)));
      request.on('end', () => {
        const json = (status: number, value: unknown): unknown => response.writeHead(status).end(JSON.stringify(value));
        const { model = '' } = (text ? JSON.parse(text) : {}) as { model?: string };
        asked.push(`${request.url} ${model}`.trim());
        if (request.url === '/api/tags')
          return json(200, { models: models.map((name) => ({ name, model: name, size: 1 })) });
        if (broken) return json(500, { error: 'llama runner process has terminated: signal: killed' });
        if (request.url === '/api/embed') return json(200, { model, embeddings: [[0.1, 0.2]] });
        if (model.includes('embed')) return json(400, { error: `"${model}" does not support generate` });
        return json(200, { model, response: 'ok', done: true });
      });
    });
    const check = { kind: 'models', url: `http://127.0.0.1:${port}`, models: ['llama3', 'nomic-embed-text'] };
    expect(await look(check)).toMatchObject({
      state: 'up',
      message: '2 models, 2 asked and answered',
      detail: { count: 2, listMs: expect.any(Number), slowestMs: expect.any(Number) },
    });
    expect(asked).toEqual([
      '/api/tags',
      '/api/generate llama3',
      '/api/generate nomic-embed-text',
      '/api/embed nomic-embed-text',
    ]);
    asked.length = 0;
    expect(await look({ ...check, models: [], answers: 'none' })).toMatchObject({ state: 'up', message: '2 models' });
    expect(asked).toEqual(['/api/tags']);
    broken = true;
    expect(await look(check)).toMatchObject({ state: 'down', message: expect.stringContaining('signal: killed') });
    broken = false;
    models = ['llama3:latest'];
    expect(await look(check)).toMatchObject({
      state: 'down',
      message: expect.stringContaining('missing: nomic-embed-text'),
    });
    models = ['llama3:latest', 'nomic-embed-text:latest'];
    expect(await look(check)).toMatchObject({ state: 'up' });
  });

  it('on a server that behaves as the published API of OpenAI says: token, chat, and what hangs', async () => {
    let hang = false;
    const port = await web.serve((request, response) => {
      if (request.headers.authorization !== 'Bearer s3cret')
        return response.writeHead(401).end('{"error":{"message":"bad key"}}');
      if (request.url === '/v1/models')
        return response.end('{"object":"list","data":[{"id":"qwen","object":"model"}]}');
      if (!hang) response.end('{"choices":[{"message":{"role":"assistant","content":"ok"}}]}');
      return undefined;
    });
    const check = { kind: 'models', api: 'openai', url: `http://127.0.0.1:${port}`, answers: 'all' };
    expect(await look(check)).toMatchObject({ state: 'down', message: expect.stringContaining('401') });
    expect(await look({ ...check, token: { env: 'RIGHT' } })).toMatchObject({
      state: 'up',
      message: '1 models, 1 asked and answered',
    });
    hang = true;
    expect(await look({ ...check, token: { env: 'RIGHT' } }, 300)).toMatchObject({
      state: 'down',
      detail: { code: 'TIMEOUT' },
    });
  });
});
