import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ServiceState } from '../src/core/check.ts';
import type { StatusPage } from '../src/core/status-page.ts';
import { mountStatusPage } from '../src/surfaces/rest/status-page.ts';
import { statusPageHtml } from '../src/surfaces/documents/status-page.ts';
import { createStatusPage, type StatusPageSettings } from '../src/systems/status-page/index.ts';
import { composeSmall, type SmallComposition } from './small-composition.ts';

const HOSTILE = '"><img src=x onerror=alert(1)>\u0000';
const SINCE = new Date('2026-03-01T08:00:00Z');
const NOW = new Date('2026-03-02T10:20:30Z');
const PRIVATE: StatusPageSettings = { title: 'Our services', public: false, services: [] };

function machine() {
  const state = {
    settings: PRIVATE,
    services: [
      {
        resourceId: 'svc_1',
        name: 'shop',
        state: 'up' as ServiceState,
        since: SINCE,
        maintenance: undefined as string | undefined,
      },
      {
        resourceId: 'svc_2',
        name: 'ledger@17-main',
        state: 'up' as ServiceState,
        since: SINCE,
        maintenance: undefined,
      },
      { resourceId: 'svc_3', name: HOSTILE, state: 'up' as ServiceState, since: SINCE, maintenance: undefined },
    ],
  };
  const written: string[] = [];
  const days = [
    { day: '2026-03-01', percent: 99.9999, downSeconds: 1 },
    { day: '2026-03-02', percent: undefined, downSeconds: 0 },
  ];
  const pages = createStatusPage({
    settings: () => state.settings,
    services: async () => state.services,
    uptime: async () => (id) =>
      id === 'svc_1' ? { uptime: { day: 100, month: 99.9999 }, days } : { uptime: {}, days: [] },
    render: statusPageHtml,
    exports: { write: async (folder, name, text) => (written.push(`${folder}/${name}`, text), name) },
    now: () => NOW,
  });
  /** Whatever was put together before is not what the configuration is now. */
  const set = (more: Partial<StatusPageSettings>): void => void (state.settings = { ...PRIVATE, ...more });
  return { state, pages, written, set };
}

describe('the status page', () => {
  const { state, pages, written, set } = machine();
  let small: SmallComposition;
  let viewer: string;

  beforeAll(async () => {
    small = await composeSmall({
      mounts: ({ identity, audit }) => [(app) => mountStatusPage(app, { pages, identity, audit, now: () => NOW })],
    });
    viewer = await small.tokenOf('viewer');
  }, 60_000);
  afterAll(() => small?.stop());

  const ask = async (url: string, headers: Record<string, string> = {}) =>
    await small.rest.app.inject({ method: 'GET', url, headers });
  const signedIn = async (url: string) => await ask(url, { authorization: `Bearer ${viewer}` });

  it('is nobody’s but those who may read, until the configuration says that it is public', async () => {
    set({});
    for (const url of ['/status', '/status.json', '/status/badge/shop.svg', '/dashboard/automation-status.html'])
      expect([url, (await ask(url)).statusCode]).toEqual([url, 401]);
    expect((await ask('/status', { accept: 'text/html' })).headers.location).toBe('/');
    expect((await signedIn('/status.json')).json<StatusPage>().services).toHaveLength(3);

    set({ public: true, services: [{ match: 'shop', name: 'Web shop', group: 'Customers' }] });
    const page = (await ask('/status.json')).json<StatusPage>();
    expect(page).toMatchObject({ title: 'Our services', verdict: 'ok', sentence: 'Everything works.' });
    // Nothing tells that there are others, or how this one is called inside.
    expect(page.services).toEqual([
      {
        name: 'Web shop',
        group: 'Customers',
        state: 'up',
        since: SINCE.toISOString(),
        maintenance: false,
        uptime: { day: 100, month: 99.9999 },
        days: [
          { day: '2026-03-01', percent: 99.9999, downSeconds: 1 },
          { day: '2026-03-02', downSeconds: 0 },
        ],
      },
    ]);
    expect((await ask('/status/badge/ledger@17-main.svg')).statusCode).toBe(404);
    expect((await ask('/dashboard/automation-status.html')).statusCode).toBe(401);
  });

  it('is one document without a script or another address, in which names stay names', async () => {
    set({});
    const { body, headers } = await signedIn('/status');

    expect(headers['content-type']).toBe('text/html; charset=utf-8');
    expect(body).toContain('&quot;&gt;&lt;img src=x onerror=alert(1)&gt;\ufffd');
    expect(body).not.toMatch(/<img|<script|<link|(?:src|href)="/);
    const [, nonce = ''] = /<style nonce="([^"]+)">/.exec(body) ?? [];
    expect(headers['content-security-policy']).toContain(`style-src 'nonce-${nonce}'`);
    expect(body).toContain('2026-03-01: 99.99 %, 1 s not available');
    expect(body).toContain('2026-03-02: not known');
  });

  it('says the worst of what nobody is working on', async () => {
    const sentence = async (): Promise<string> => {
      set({});
      return (await pages.current()).sentence;
    };
    const [shop, ledger] = state.services;
    if (!shop || !ledger) throw new Error('two services');
    ledger.state = 'degraded';
    expect(await sentence()).toBe('Slow or restricted: ledger@17-main.');
    shop.state = 'down';
    expect(await sentence()).toBe('Not available: shop.');
    shop.maintenance = 'new disks in rack 4';
    expect(await sentence()).toBe('Slow or restricted: ledger@17-main.');
    ledger.state = 'stopped';
    expect(await sentence()).toBe('Being worked on: shop.');
    // Why is not for everybody.
    expect(JSON.stringify(await pages.current())).not.toContain('rack 4');
    Object.assign(shop, { state: 'up', maintenance: undefined });
    ledger.state = 'up';
  });

  it('has badges that other sites may show where it is public', async () => {
    set({ public: true, services: [{ match: '*' }] });
    const { body, headers } = await ask('/status/badge/shop.svg');

    expect(headers).toMatchObject({
      'content-type': 'image/svg+xml; charset=utf-8',
      'cross-origin-resource-policy': 'cross-origin',
      'cache-control': 'public, max-age=15',
    });
    expect(body).toContain('<title>shop: up · 99.99 %</title>');
    const hostile = await ask(`/status/badge/${encodeURIComponent(HOSTILE)}.svg`);
    expect(hostile.statusCode).toBe(200);
    expect(hostile.body).not.toContain('<img');
  });

  it('is written to a file for those who look at one', async () => {
    set({ public: true, services: [{ match: 'shop' }] });
    await pages.jobs[0]?.run({ now: NOW, signal: new AbortController().signal });

    expect(written[0]).toBe('dashboard/automation-status.html');
    expect(written[1]).toContain('ledger@17-main');
    expect(written[1]).not.toContain('nonce');
  });
});
