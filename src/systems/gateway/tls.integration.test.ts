import { once } from 'node:events';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import { Agent, get } from 'node:https';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { openGateway, openUpstream, routeTo, type TestGateway } from '../../testing/gateway.ts';
import { type Authority, createAuthority, type Issued } from '../../testing/world/authority.ts';

const NAME = 'api.example.org';

describe('the gateway with a certificate of its own', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stw-tls-'));
  const files = { cert: join(folder, 'served.pem'), key: join(folder, 'served.key') };
  const open: { close(): Promise<void> | void }[] = [];
  const kept = <T extends { close(): Promise<void> | void }>(one: T): T => (open.push(one), one);
  let authority: Authority;
  let ca: string;
  let first: Issued;
  let second: Issued;

  beforeAll(() => {
    authority = createAuthority(folder);
    ca = readFileSync(authority.rootFile, 'utf8');
    [first, second] = [authority.issue(NAME), authority.issue(NAME)];
  });
  afterEach(async () => {
    for (const each of open.splice(0).toReversed()) await each.close();
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const chainOf = ({ cert }: Issued): string => cert + authority.intermediate;
  const serve = ({ cert, key }: { cert?: Issued; key?: Issued }): void => {
    if (cert) writeFileSync(files.cert, chainOf(cert));
    if (key) writeFileSync(files.key, key.key);
  };

  async function before(origin: string): Promise<TestGateway> {
    serve({ cert: first, key: first });
    const routes = [routeTo('app')];
    return kept(await openGateway({ routes, upstreams: { app: { targets: [origin] } }, tls: files }));
  }

  async function ask({ port }: TestGateway, agent: Agent | false = false): Promise<[IncomingMessage, string]> {
    const options = { host: '127.0.0.1', port, servername: NAME, ca, agent, headers: { host: NAME } };
    const [answer] = (await once(get(options), 'response')) as [IncomingMessage];
    let text = '';
    for await (const chunk of answer.setEncoding('utf8')) text += String(chunk);
    return [answer, text];
  }

  async function handshake({ port }: TestGateway, more: ConnectionOptions = {}): Promise<TLSSocket> {
    const socket = connect({ host: '127.0.0.1', port, servername: NAME, ca, ...more });
    kept({ close: () => void socket.destroy() });
    await once(socket, 'secureConnect');
    return socket;
  }

  const served = async (gateway: TestGateway): Promise<string> =>
    (await handshake(gateway)).getPeerX509Certificate()?.toString() ?? '';

  it('serves it, says https to the service, and passes WebSockets on', async () => {
    const app = createServer((request, response) => response.end(String(request.headers['x-forwarded-proto'])));
    const sockets = new WebSocketServer({ server: app });
    sockets.on('connection', (socket) => socket.on('message', (data) => socket.send(String(data))));
    await once(app.listen(0, '127.0.0.1'), 'listening');
    kept({ close: () => (app.closeAllConnections(), void app.close()) });
    const gateway = await before(`http://127.0.0.1:${(app.address() as AddressInfo).port}`);
    expect(gateway.url).toMatch(/^https:/);
    const [answer, text] = await ask(gateway);
    expect([answer.statusCode, text]).toEqual([200, 'https']);
    const options = { ca, servername: NAME };
    const socket = new WebSocket(`wss://127.0.0.1:${gateway.port}/`, [], options);
    kept({ close: () => socket.terminate() });
    await once(socket, 'open');
    const echo = once(socket, 'message');
    socket.send('hello');
    expect(String((await echo)[0])).toBe('hello');
  });

  it('takes a new one when its files change, and whoever is connected stays so', async () => {
    const app = kept(await openUpstream((_request, response) => response.end('ok')));
    const gateway = await before(app.origin);
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    kept({ close: () => agent.destroy() });
    const connections = new Set([(await ask(gateway, agent))[0].socket]);
    expect(await served(gateway)).toBe(first.cert);
    serve({ cert: second, key: second });
    await gateway.look();
    expect(await served(gateway)).toBe(second.cert);
    connections.add((await ask(gateway, agent))[0].socket);
    expect(connections.size).toBe(1);
  });

  it('keeps what it had where the new ones are no pair, cannot be read, or come one after the other', async () => {
    const app = kept(await openUpstream((_request, response) => response.end('ok')));
    const gateway = await before(app.origin);
    serve({ cert: second });
    await expect(gateway.look()).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: `gateway.tls: the key in ${files.key} is not that of the certificate in ${files.cert}.`,
    });
    expect(await served(gateway)).toBe(first.cert);
    rmSync(files.key);
    await expect(gateway.look()).rejects.toThrow(`gateway.tls: ${files.key} cannot be read: ENOENT`);
    writeFileSync(files.key, 'nothing');
    await expect(gateway.look()).rejects.toThrow(`gateway.tls: ${files.key} has no private key in PEM`);
    copyFileSync(files.key, files.cert);
    await expect(gateway.look()).rejects.toThrow(`gateway.tls: ${files.cert} has no certificate in PEM`);
    expect(await served(gateway)).toBe(first.cert);
    serve({ cert: second });
    const looked = gateway.look();
    serve({ key: second });
    await looked;
    expect(await served(gateway)).toBe(second.cert);
  });

  it('speaks TLS 1.2 and 1.3, nothing older and nothing else', async () => {
    const app = kept(await openUpstream((_request, response) => response.end('ok')));
    const gateway = await before(app.origin);
    expect((await handshake(gateway, { maxVersion: 'TLSv1.2' })).getProtocol()).toBe('TLSv1.2');
    expect((await handshake(gateway)).getProtocol()).toBe('TLSv1.3');
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    await expect(handshake(gateway, old)).rejects.toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
    const plain = connectTcp(gateway.port, '127.0.0.1');
    plain.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
    let said = '';
    for await (const chunk of plain) said += String(chunk);
    expect(said).not.toContain('HTTP');
    expect(gateway.records).toEqual([]);
  });

  it('lets half an answer never look whole', async () => {
    const app = kept(
      await openUpstream((_request, response) => {
        response.write('half');
        setTimeout(() => response.destroy(), 50);
      }),
    );
    const gateway = await before(app.origin);
    await expect(ask(gateway)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });
});
