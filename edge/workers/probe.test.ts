import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { credentialText } from '../handlers/probe/credential.ts';
import type { PlaceCheck, PlaceReport } from '../handlers/probe/messages.ts';
import { type ProbeWorker, startProbeWorker } from '../testing/probe-worker.ts';

const ID = 'a'.repeat(20);

describe('the probe worker, in workerd', () => {
  const reports: PlaceReport[] = [];
  /** What the service was asked, and how long it takes for it. */
  const asked: IncomingHttpHeaders[] = [];
  let service: Server;
  let serve: (response: ServerResponse, path: string) => unknown;
  let refuses: (report: PlaceReport) => boolean;
  let checks: readonly PlaceCheck[] = [];
  let version = 0;
  let steward: Server;
  let open: TcpServer;
  let closed: number;
  let worker: ProbeWorker;

  beforeAll(async () => {
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    steward = createServer((request, response) => {
      let text = '';
      request.setEncoding('utf8').on('data', (chunk: string) => (text += chunk));
      request.on('end', () => {
        const report = JSON.parse(text) as PlaceReport;
        reports.push(report);
        if (refuses(report)) return response.writeHead(400).end('{}');
        const payload = JSON.stringify({ place: ID, version, userAgent: 'test', reportEveryMs: 300_000, checks });
        const signature = sign(null, Buffer.from(payload), privateKey).toString('base64url');
        const config = report.have === version ? undefined : { payload, signature };
        return response.end(JSON.stringify({ taken: report.results.length, config }));
      });
    }).listen(0, '127.0.0.1');
    service = createServer((request, response) => {
      asked.push(request.headers);
      serve(response, request.url ?? '');
    }).listen(0, '127.0.0.1');
    open = createTcpServer((socket) => socket.on('error', () => undefined)).listen(0, '127.0.0.1');
    const gone = createTcpServer().listen(0, '127.0.0.1');
    await Promise.all([
      once(steward, 'listening'),
      once(service, 'listening'),
      once(open, 'listening'),
      once(gone, 'listening'),
    ]);
    closed = portOf(gone);
    await new Promise((done) => gone.close(done));
    const key = (publicKey.export({ format: 'jwk' }).x as string) ?? '';
    worker = await startProbeWorker({
      STEWARD_URL: `http://127.0.0.1:${portOf(steward)}`,
      PLACE_TOKEN: credentialText({
        kind: 'token',
        id: ID,
        secret: 'b'.repeat(64),
        key: Buffer.from(key, 'base64url').toString('hex'),
      }),
    });
  });
  afterAll(async () => {
    await worker?.dispose();
    steward?.close();
    service?.closeAllConnections();
    service?.close();
    open?.close();
  });
  beforeEach(() => {
    reports.length = 0;
    asked.length = 0;
    refuses = () => false;
    serve = (response) => response.end('ok');
  });

  const portOf = (server: Server | TcpServer): number => (server.address() as AddressInfo).port;
  const tcp = (id: string, host: string, port: number): PlaceCheck => ({
    id,
    target: { kind: 'tcp', host, port },
    everyMs: 60_000,
    timeoutMs: 2_000,
    slowMs: 60_000,
  });

  const http = (id: string, more: Partial<PlaceCheck> = {}): PlaceCheck => ({
    ...tcp(id, '', 0),
    target: { kind: 'http', url: `http://127.0.0.1:${portOf(service)}/${id}`, expectStatus: [200] },
    ...more,
  });
  const toldOf = (report: PlaceReport | undefined): Record<string, string> =>
    Object.fromEntries((report?.results ?? []).map(({ check, state }) => [check, state]));

  async function look(at: readonly PlaceCheck[]): Promise<void> {
    checks = at;
    version += 1;
    // With the first it is told what there is to look at.
    await worker.round();
    reports.length = 0;
    asked.length = 0;
    await worker.round();
  }

  it('asks the service and no cache, as what workerd sends then says', async () => {
    await look([http('shop')]);
    expect(toldOf(reports[0])).toEqual({ shop: 'up' });
    expect(asked.map((headers) => headers['cache-control'])).toEqual(['no-cache']);
  });

  it('keeps nobody waiting for what hangs: five are asked at a time, each within its own time', async () => {
    let [open, most] = [0, 0];
    serve = (response, path) => {
      open += 1;
      most = Math.max(most, open);
      response.on('close', () => (open -= 1));
      if (path.startsWith('/well')) setTimeout(() => response.end('ok'), 30);
    };
    const hanging = Array.from({ length: 12 }, (_, at) => http(`hangs-${at}`, { timeoutMs: 300 }));
    await look([...hanging, http('well', { timeoutMs: 300 })]);
    expect(toldOf(reports[0])).toEqual({
      ...Object.fromEntries(hanging.map(({ id }) => [id, 'down'])),
      well: 'up',
    });
    expect(most).toBe(5);
  });

  it('makes no more requests a round than it was told the plan allows, and says nothing of who it did not ask', async () => {
    const { target } = http('many');
    await look([
      { ...http('many'), target: { ...target, followRedirects: true } },
      ...Array.from({ length: 40 }, (_, at) => http(`single-${at}`)),
    ]);
    const told = reports[0]?.results ?? [];
    // Ten of the fifty are for telling.
    expect(asked).toHaveLength(35);
    expect(told.filter(({ state }) => state === 'up')).toHaveLength(35);
    const others = told.filter(({ state }) => state !== 'up');
    expect(others.map(({ check }) => check)).toEqual([
      'single-34',
      'single-35',
      'single-36',
      'single-37',
      'single-38',
      'single-39',
    ]);
    expect(new Set(others.map(({ state, message }) => `${state} ${message}`))).toEqual(
      new Set(['unknown cannot: this worker makes 40 requests a round, by its SUBREQUESTS, and had no more left']),
    );
  });

  const certificate = (id: string): PlaceCheck => ({
    ...http(id),
    target: { kind: 'tls', host: 'example.org', port: 443 },
  });

  it('tells what Steward takes at once, and loses no more than what Steward never takes, which it counts', async () => {
    await look(Array.from({ length: 1_200 }, (_, at) => certificate(`many-${at}`)));
    expect(reports.map(({ results }) => results.length)).toEqual([500, 500, 200]);
    expect(reports.map(({ dropped }) => dropped)).toEqual([0, 0, 0]);
    reports.length = 0;
    refuses = ({ results }) => results.some(({ check }) => check === 'many-700');
    await worker.round();
    expect(reports.map(({ results, dropped }) => [results.length, dropped])).toEqual([
      [500, 0],
      [500, 0],
      [200, 500],
    ]);
    reports.length = 0;
    refuses = () => false;
    await worker.round();
    expect(reports.map(({ results, dropped }) => [results.length, dropped])).toEqual([
      [500, 500],
      [500, 500],
      [200, 500],
    ]);
    expect((await worker.kept()).filter((key) => key.startsWith('results:'))).toEqual([]);
  });

  it('connects where somebody listens, and tells failing from what it cannot do', async () => {
    await look([
      tcp('open', '127.0.0.1', portOf(open)),
      tcp('by-name', 'localhost', portOf(open)),
      tcp('closed', '127.0.0.1', closed),
      tcp('nowhere', 'nothing.invalid', 81),
      tcp('perhaps', 'nothing.invalid', 443),
      tcp('mail', 'example.org', 25),
      { ...tcp('certificate', 'example.org', 443), target: { kind: 'tls', host: 'example.org', port: 443 } },
    ]);
    const [told] = reports;
    expect(told?.kinds).toEqual(['http', 'tcp']);
    expect(toldOf(told)).toEqual({
      open: 'up',
      'by-name': 'up',
      closed: 'down',
      nowhere: 'down',
      perhaps: 'unknown',
      mail: 'unknown',
      certificate: 'unknown',
    });
    const messages = told?.results.filter(({ state }) => state === 'unknown').map(({ message }) => message);
    expect(messages).toEqual([
      expect.stringContaining('nothing.invalid:443, or nobody listens there'),
      'cannot: a place of this kind is not let connect to port 25',
      'cannot: a place of this kind does http and tcp, and not tls',
    ]);
  });
});
