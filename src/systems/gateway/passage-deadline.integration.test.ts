// How long a request waits for the head of its answer, against the `timeout` of its route.
import { afterEach, describe, expect, it } from 'vitest';
import { openGateway, openRawUpstream, openUpstream, rawClient, routeTo } from '../../testing/gateway.ts';

const open: { close(): Promise<void> }[] = [];
const kept = <T extends { close(): Promise<void> }>(one: T): T => (open.push(one), one);
afterEach(async () => {
  for (const each of open.splice(0).toReversed()) await each.close();
});

/** What a busy machine adds; far less than another attempt would. */
const GRACE_MS = 300;

describe('the deadline of a route', () => {
  it('is one for all attempts together', async () => {
    const resets = kept(await openRawUpstream((socket) => void setTimeout(() => socket.destroy(), 600)));
    const gateway = kept(
      await openGateway({
        routes: [routeTo('app', { timeoutMs: 800 })],
        upstreams: { app: { targets: [resets.origin] } },
      }),
    );
    expect((await fetch(gateway.url)).status).toBe(504);
    expect(resets.connections).toHaveLength(2);
    expect(gateway.records[0]).toMatchObject({ status: 504, retries: 1, ended: 'upstream-slow' });
    expect(gateway.records[0]?.['ms']).toBeGreaterThan(700);
    expect(gateway.records[0]?.['ms']).toBeLessThan(800 + GRACE_MS);
  });

  it('has in it what it took to find out who asks', async () => {
    const silent = kept(await openRawUpstream(() => undefined));
    const gateway = kept(
      await openGateway({
        routes: [
          routeTo('app', {
            timeoutMs: 800,
            auth: [{ is: 'remote', url: 'http://accounts/', goodMs: 1_000, badMs: 1_000, timeoutMs: 60_000 }],
            anonymous: false,
          }),
        ],
        upstreams: { app: { targets: [silent.origin] } },
        callerPorts: {
          fetchKeys: () => Promise.reject(new Error('there are no keys')),
          async validate() {
            await new Promise((resolve) => setTimeout(resolve, 500));
            return { status: 200, body: { user_id: 'u', plan: 'free' } };
          },
        },
      }),
    );
    expect((await fetch(gateway.url, { headers: { authorization: 'Bearer t' } })).status).toBe(504);
    expect(gateway.records[0]?.['ms']).toBeGreaterThan(700);
    expect(gateway.records[0]?.['ms']).toBeLessThan(800 + GRACE_MS);
  });

  it('holds while it connects, to a name that nobody resolves', async () => {
    const gateway = kept(
      await openGateway({
        routes: [routeTo('app', { timeoutMs: 300 })],
        upstreams: { app: { targets: ['http://shop.internal:80'], connectMs: 1_500 } },
        addresses: () => new Promise<never>(() => undefined),
      }),
    );
    for (const method of ['GET', 'POST']) {
      const body = method === 'POST' ? { body: 'x'.repeat(100) } : {};
      expect((await fetch(gateway.url, { method, ...body })).status).toBe(504);
    }
    for (const { ms, ended } of gateway.records) {
      expect(ended).toBe('upstream-slow');
      expect(ms).toBeLessThan(300 + GRACE_MS);
    }
    expect(gateway.upstreams.get('app')?.state()[0]).toMatchObject({ outstanding: 0, failures: 2 });
  });

  it('begins at the last byte of a body: who sends slowly is no slow service', async () => {
    const app = kept(
      await openUpstream((request, response) => void request.resume().on('end', () => response.end('took it'))),
    );
    const gateway = kept(
      await openGateway({
        routes: [routeTo('app', { timeoutMs: 200 })],
        upstreams: { app: { targets: [app.origin] } },
      }),
    );
    const client = rawClient(
      gateway.port,
      'POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 8\r\n\r\n',
    );
    const drip = setInterval(() => client.socket.write('x'), 100);
    const { text } = await client.over;
    clearInterval(drip);
    expect(text).toMatch(/^HTTP\/1\.1 200 [^]*took it$/);
  });

  it('is over where the service does not take the body', async () => {
    const deaf = kept(await openRawUpstream((socket) => void socket.pause()));
    const gateway = kept(
      await openGateway({
        routes: [routeTo('app', { timeoutMs: 300 })],
        upstreams: { app: { targets: [deaf.origin], idleMs: 30_000 } },
        limits: { requestMs: 60_000 },
      }),
    );
    const client = rawClient(gateway.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 64000000\r\n\r\n');
    client.socket.write(Buffer.alloc(64_000_000));
    const { text } = await client.over;
    expect(text).toMatch(/^HTTP\/1\.1 504 /);
  });
});
