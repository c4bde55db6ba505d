import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  openGateway,
  openUpstream,
  rawClient,
  routeTo,
  type TestGateway,
  type TestUpstream,
} from '../../testing/gateway.ts';

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n';

describe('whatever is answered', () => {
  let upstream: TestUpstream;
  let gateway: TestGateway;
  let clockFails = false;

  beforeAll(async () => {
    upstream = await openUpstream((_request, response) => response.end('ok'));
    gateway = await openGateway({
      routes: [routeTo('app'), routeTo('nowhere', { path: '/nowhere' })],
      upstreams: { app: { targets: [upstream.origin] } },
      now() {
        if (!clockFails) return new Date();
        clockFails = false;
        throw new Error('what time is it?');
      },
    });
  });
  afterAll(async () => {
    await gateway.close();
    await upstream.close();
  });

  async function answerTo(bytes: string): Promise<{ status: number; id: string; text: string }> {
    const { text } = await rawClient(gateway.port, bytes).over;
    const [, status] = /^HTTP\/1\.1 (\d{3}) /.exec(text) ?? [];
    const [, id = ''] = /^x-request-id: (\S+)\r$/im.exec(text) ?? [];
    return { status: Number(status), id, text };
  }

  it.each([
    [200, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    [200, 'GET / HTTP/1.1\r\nHost: a\r\nExpect: a-miracle\r\nConnection: close\r\n\r\n'],
    [503, 'GET /nowhere HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    [503, `GET /nowhere HTTP/1.1\r\nHost: a\r\n${UPGRADE}`],
    [400, `GET /..%2f HTTP/1.1\r\nHost: a\r\n${UPGRADE}`],
    [400, 'GET / HTTP/1.1\r\nConnection: close\r\n\r\n'],
    [400, 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n'],
    [400, `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n${UPGRADE}`],
    [400, 'GET / HTTP/1.1\r\nHost: a\r\nX-A : 1\r\n\r\n'],
    [400, 'SSH-2.0-OpenSSH_9.2\r\n'],
    [405, 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n'],
    [408, 'GET / HTTP/1.1\r\nHost: a\r\n'],
    [431, `GET / HTTP/1.1\r\nHost: a\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`],
  ])('has an id with which it is explained: %d to %s', async (status, bytes) => {
    const answer = await answerTo(bytes);
    expect(answer.status).toBe(status);
    expect(answer.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(gateway.records.find(({ id }) => id === answer.id)).toMatchObject({ status, address: '127.0.0.1' });
    if (status === 503) expect(answer.text).toMatch(/^retry-after: 5\r$/im);
  });

  it.each([
    ['a request', 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'],
    ['an upgrade', `GET / HTTP/1.1\r\nHost: a\r\n${UPGRADE}`],
  ])('has an id even where something goes wrong here with %s', async (_what, bytes) => {
    clockFails = true;
    const answer = await answerTo(bytes);
    expect(answer.status).toBe(500);
    expect(answer.text).not.toContain('what time');
    const record = gateway.records.find(({ id }) => id === answer.id);
    expect(record).toMatchObject({ rule: 'error', status: 500, why: 'Error: what time is it?' });
  });

  it('is nothing that a client who resets what it asked can break', async () => {
    for (let at = 0; at < 50; at += 1) {
      const client = rawClient(gateway.port, 'CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n');
      client.socket.once('connect', () => setImmediate(() => client.socket.resetAndDestroy()));
      await client.over;
    }
    expect((await answerTo('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')).status).toBe(200);
  });
});
