import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, get, type ServerResponse } from 'node:http';
import { createServer as createTlsServer, get as getByTls } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../testing/world/authority.ts';
import { createListener, type Listener } from './listener.ts';

const NAME = 'listener.example.org';
const LONG_MS = 3_600_000;

describe('a listener that moves at its port', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stw-moves-'));
  const tls = { cert: join(folder, 'served.pem'), key: join(folder, 'served.key') };
  const authority = createAuthority(folder);
  const issued = authority.issue(NAME);
  writeFileSync(tls.cert, issued.cert + authority.intermediate);
  writeFileSync(tls.key, issued.key);

  let listener: Listener;
  let port: number;
  /** Who is being answered, and will be for as long as the test wants. */
  let waiting: ServerResponse[];
  const others: Server[] = [];

  beforeEach(async () => {
    waiting = [];
    port = await portOf(occupied('127.0.0.1', 0));
    await leave();
    const answer = (url: string | undefined, response: ServerResponse): unknown =>
      url === '/wait' ? waiting.push(response) : response.end('here');
    listener = createListener({
      cannot: 'It cannot be reached',
      setting: 'any',
      graceMs: () => LONG_MS,
      server: (pair) =>
        pair
          ? createTlsServer(pair, (request, response) => answer(request.url, response))
          : createServer((request, response) => answer(request.url, response)),
    });
    await listener.moveTo({ host: '127.0.0.1', port });
  });
  afterEach(async () => {
    for (const response of waiting) response.end('late');
    await listener.moveTo(undefined);
    await leave();
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  function occupied(host: string, at: number): Server {
    const server = createTcpServer().listen(at, host);
    others.push(server);
    return server;
  }
  async function portOf(server: Server): Promise<number> {
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  }
  async function leave(): Promise<void> {
    for (const server of others.splice(0)) await new Promise((resolve) => server.close(resolve));
  }
  async function ask(path: string, host = '127.0.0.1'): Promise<string> {
    const [response] = await once(get({ host, port, path, agent: false }), 'response');
    return await text(response);
  }
  async function askByTls(): Promise<string> {
    const ca = readFileSync(authority.rootFile, 'utf8');
    const asked = getByTls({ host: '127.0.0.1', port, path: '/', servername: NAME, ca, agent: false });
    const [response] = await once(asked, 'response');
    return await text(response);
  }
  /** One that is being answered. */
  async function begun(): Promise<{ readonly answer: Promise<string> }> {
    const answer = ask('/wait');
    await expect.poll(() => waiting.length).toBe(1);
    return { answer };
  }
  async function end({ answer }: { readonly answer: Promise<string> }): Promise<string> {
    waiting[0]?.end('late');
    return await answer;
  }

  it('serves by TLS at once, and without again, though somebody is still answered without', async () => {
    const first = await begun();
    await listener.moveTo({ host: '127.0.0.1', port, tls });
    expect(await askByTls()).toBe('here');
    expect(listener.url()).toBe(`https://127.0.0.1:${port}`);
    await listener.moveTo({ host: '127.0.0.1', port });
    expect(await ask('/')).toBe('here');
    expect(await end(first)).toBe('late');
  });

  it('serves at its other address at once, and no more at the former one', async () => {
    const first = await begun();
    await listener.moveTo({ host: '0.0.0.0', port });
    expect(await ask('/', '127.0.0.2')).toBe('here');
    await listener.moveTo({ host: '127.0.0.3', port });
    expect(await ask('/', '127.0.0.3')).toBe('here');
    await expect(ask('/', '127.0.0.1')).rejects.toThrow('ECONNREFUSED');
    expect(await end(first)).toBe('late');
  });

  it('stays where it is where the address is none of this machine', async () => {
    const first = await begun();
    await expect(listener.moveTo({ host: '192.0.2.1', port })).rejects.toMatchObject({
      message: expect.stringContaining(`It cannot be reached at 192.0.2.1:${port}`),
      hint: 'Set any.host in steward.yaml to an address of this machine.',
    });
    expect(await ask('/')).toBe('here');
    expect(listener.url()).toBe(`http://127.0.0.1:${port}`);
    expect(await end(first)).toBe('late');
  });

  it('stays where it is where another one is in the way, as often as it tries', async () => {
    const first = await begun();
    await portOf(occupied('127.0.0.9', port));
    for (const _time of [1, 2, 3])
      await expect(listener.moveTo({ host: '0.0.0.0', port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
    expect(await ask('/')).toBe('here');
    expect(await end(first)).toBe('late');
    await leave();
    await listener.moveTo({ host: '0.0.0.0', port });
    expect(await ask('/', '127.0.0.9')).toBe('here');
  });

  it('ends when all have been answered, also those of places it had before', async () => {
    const first = await begun();
    await listener.moveTo({ host: '0.0.0.0', port });
    let over = false;
    const ended = listener.moveTo(undefined).then(() => (over = true));
    await expect(ask('/')).rejects.toThrow('ECONNREFUSED');
    expect(over).toBe(false);
    expect(await end(first)).toBe('late');
    await ended;
  });
});
