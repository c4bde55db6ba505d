// The counts of the gateway worker, in workerd, where their objects are taken out of memory.
import type { Miniflare } from 'miniflare';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Count, CountAsked } from '../handlers/gateway/counters.ts';
import { startGatewayWorker } from '../testing/gateway-worker.ts';

// Their own types come with a package of Cloudflare's that nothing here needs.
interface Objects {
  idFromName(name: string): unknown;
  get(id: unknown): { fetch(url: string, init: { method: string; body: string }): Promise<Response> };
}

type Asked = Partial<CountAsked> & Pick<Count, 'bucket'> & { readonly key: string };

describe('a counter of the gateway worker', () => {
  let worker: Miniflare;

  beforeAll(async () => {
    worker = await startGatewayWorker({
      GATEWAY: {
        upstreams: {},
        limits: { anonymous: 3 },
        routes: [{ path: '/', upstream: 'none' }],
      },
    });
  });
  afterAll(() => worker?.dispose());

  const evict = (name: string): Promise<void> => worker.unsafeEvictDurableObject('gateway', 'Counter', { name });

  async function counter(verb: string, { key, ...asked }: Asked): Promise<Response> {
    const objects = (await worker.getDurableObjectNamespace('COUNTERS')) as unknown as Objects;
    return await objects.get(objects.idFromName(key)).fetch(`https://counter/${verb}`, {
      method: 'POST',
      body: JSON.stringify({ limit: 3, windowMs: 60_000, key, ...asked }),
    });
  }
  const take = async (asked: Asked): Promise<Count> => (await (await counter('take', asked)).json()) as Count;
  const look = async (asked: Asked): Promise<Count> => (await (await counter('look', asked)).json()) as Count;
  const give = async (asked: Asked): Promise<number> => (await counter('give', asked)).status;

  it('knows what it counted after it was out of memory: who was refused still is', async () => {
    const ask = async (): Promise<[number, string | null]> => {
      const { status, headers } = await worker.dispatchFetch('http://api.example.org/', {
        headers: { 'cf-connecting-ip': '192.0.2.1' },
      });
      return [status, headers.get('x-ratelimit-remaining')];
    };
    expect([await ask(), await ask()]).toEqual([
      [503, '2'],
      [503, '1'],
    ]);
    await evict('address:192.0.2.1');
    expect(await ask()).toEqual([503, '0']);
    await evict('address:192.0.2.1');
    expect(await ask()).toEqual([429, '0']);
  });

  it('gives back what was taken before that', async () => {
    const { bucket = 0 } = await take({ key: 'given' });
    await take({ key: 'given' });
    await evict('given');
    expect(await give({ key: 'given', bucket })).toBe(204);
    await evict('given');
    expect(await look({ key: 'given' })).toMatchObject({ used: 1, remaining: 2 });
  });

  it('counts each window for itself', async () => {
    await take({ key: 'both', windowMs: 86_400_000 });
    expect(await take({ key: 'both' })).toMatchObject({ used: 1 });
    await evict('both');
    expect(await look({ key: 'both', windowMs: 86_400_000 })).toMatchObject({ used: 1 });
  });

  it('has nothing in its store where nobody was counted, and nothing once the window has passed', async () => {
    const kept = async (key: string): Promise<number> => {
      const storage = await worker.unsafeGetDurableObjectStorage('gateway', 'Counter', { name: key });
      return (await storage.exec("select name from sqlite_master where name = '_cf_KV'")).length;
    };
    await look({ key: 'looked' });
    await give({ key: 'looked' });
    expect(await kept('looked')).toBe(0);
    await take({ key: 'short', windowMs: 1_200 });
    await evict('short');
    expect(await kept('short')).toBe(1);
    await vi.waitFor(async () => expect(await kept('short')).toBe(0), { timeout: 15_000, interval: 200 });
    expect(await look({ key: 'short', windowMs: 1_200 })).toMatchObject({ used: 0, resetMs: 0 });
  });
});
