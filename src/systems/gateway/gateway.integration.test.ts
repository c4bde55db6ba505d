import { SignJWT } from 'jose';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { ServiceStatus } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';
import type { System } from '../../core/system.ts';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { NO_LIMITS, openUpstream, routeTo } from '../../testing/gateway.ts';
import { memoryLog } from '../../testing/log.ts';
import { createLedger, type Ledger } from '../incidents/ledger.ts';
import { incidentsMigrations } from '../incidents/tables.ts';
import {
  type ConfiguredAuth,
  createGateway,
  gatewayMigrations,
  type GatewaySettings,
  NOT_AS_CONFIGURED,
} from './index.ts';

interface Shown {
  readonly address?: string;
  readonly problem?: string;
  readonly upstreams: readonly { readonly targets: readonly { readonly health: string; readonly origin?: string }[] }[];
}

const route = { ...routeTo('app'), auth: [] };
const folder = mkdtempSync(join(tmpdir(), 'stw-gateway-'));
const open: { close(): Promise<void> }[] = [];
const kept = <T extends { close(): Promise<void> }>(one: T): T => {
  open.push(one);
  return one;
};

describe('the gateway as a system', () => {
  let database: TestDatabase;
  let ledger: Ledger;
  beforeAll(async () => {
    database = await testDatabase({ migrations: [...gatewayMigrations, ...incidentsMigrations] });
    ledger = createLedger({ store: database.store, now: () => new Date() });
  });
  afterEach(async () => {
    for (const each of open.splice(0).toReversed()) await each.close();
  });
  afterAll(async () => {
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  interface Node {
    readonly gateway: System;
    url(): Promise<string>;
    show(): Promise<Shown>;
    change(settings: Partial<GatewaySettings>): void;
    close(): Promise<void>;
  }

  async function node(
    name: string,
    first: Partial<GatewaySettings>,
    {
      store = database.store,
      services = new Map<string, { port: number; state: ServiceStatus['state'] }>(),
      storeAnswers = () => Promise.resolve(),
      secrets = new Map<string, string>(),
    }: {
      store?: TestDatabase['store'];
      services?: Map<string, { port: number; state: ServiceStatus['state'] }>;
      storeAnswers?: () => Promise<void>;
      /** By the variable that they are in. */
      secrets?: ReadonlyMap<string, string>;
    } = {},
  ): Promise<Node> {
    let settings: GatewaySettings = {
      place: { host: '127.0.0.1', port: 0 },
      routes: [],
      limits: NO_LIMITS,
      upstreams: {},
      trustedProxies: [],
      requestMs: 10_000,
      drainMs: 5_000,
      ...first,
    };
    const listeners = new Set<() => void>();
    const gateway = createGateway({
      store,
      home: join(folder, name),
      thread: new URL('../../compose/gateway-thread.ts', import.meta.url),
      settings: () => settings,
      onSettings(listener) {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
      async secrets(reference) {
        const secret = secrets.get('env' in reference ? reference.env : '');
        if (secret === undefined) throw new Error(`The secret ${JSON.stringify(reference)} cannot be read.`);
        return secret;
      },
      incidents: ledger,
      inventory: {
        async resolve(reference) {
          await storeAnswers();
          const service = services.get(reference);
          if (!service) return undefined;
          return {
            id: reference,
            node: name,
            state: 'present',
            endpoints: [{ protocol: 'tcp', address: '0.0.0.0', port: service.port }],
          } as unknown as Resource;
        },
      },
      monitor: {
        status: async (id) => ({ state: services.get(id)?.state ?? 'unknown' }) as ServiceStatus,
      },
      nodes: async () => 2,
      node: { id: name },
      now: () => new Date(),
      log: memoryLog(),
    });
    await gateway.start();
    const show = async (): Promise<Shown> => {
      const query = gateway.operations.find((each) => each.name === 'gateway');
      return (await query?.handle({}, {} as never)) as Shown;
    };
    return kept({
      gateway,
      show,
      async url() {
        return (await show()).address ?? '';
      },
      change(more) {
        settings = { ...settings, ...more };
        for (const listener of listeners) listener();
      },
      close: () => gateway.stop(),
    });
  }

  const upstream = (targets: readonly string[]): GatewaySettings['upstreams'][string] => ({
    targets,
    connectMs: 1_000,
    idleMs: 5_000,
    mostAtOnce: 1_000,
    allowLinkLocal: false,
  });

  async function status(agent: Agent, url: string): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    httpRequest(url, { agent }, (answer) => {
      answer.resume().on('end', () => resolve(answer.statusCode ?? 0));
    })
      .on('error', reject)
      .end();
    return await promise;
  }

  it('lets exactly 200 of 2,000 through on two nodes, from 64 connections', async () => {
    let asked = 0;
    const app = kept(
      await openUpstream((_request, response) => {
        asked += 1;
        response.end('ok');
      }),
    );
    const settings = {
      routes: [{ ...route, limits: { ...NO_LIMITS, anonymous: 200 } }],
      upstreams: { app: upstream([app.origin]) },
    };
    const one = await node('one', settings);
    const two = await node('two', settings, { store: await database.openAnother() });
    const urls = [await one.url(), await two.url()];
    const agent = new Agent({ keepAlive: true, maxSockets: 32 });
    let left = 2_000;
    const statuses: number[] = [];
    await Promise.all(
      Array.from({ length: 64 }, async (_, place) => {
        while (left > 0) {
          left -= 1;
          statuses.push(await status(agent, urls[place % 2] ?? ''));
        }
      }),
    );
    agent.destroy();
    expect(statuses.filter((each) => each === 200)).toHaveLength(200);
    expect(statuses.filter((each) => each === 429)).toHaveLength(1_800);
    expect(asked).toBe(200);
  }, 60_000);

  it('asks a service where it is, and not at all where monitoring has seen it down', async () => {
    const app = kept(await openUpstream((_request, response) => response.end('first')));
    const moved = kept(await openUpstream((_request, response) => response.end('second')));
    const services = new Map<string, { port: number; state: ServiceStatus['state'] }>([
      ['shop', { port: app.port, state: 'up' }],
    ]);
    const one = await node('named', { routes: [route], upstreams: { app: upstream(['shop']) } }, { services });
    const url = await one.url();
    expect(await (await fetch(url)).text()).toBe('first');
    services.set('shop', { port: app.port, state: 'down' });
    await expect.poll(async () => (await fetch(url)).status, { timeout: 10_000 }).toBe(503);
    expect((await one.show()).upstreams[0]?.targets[0]).toMatchObject({ health: 'down' });
    services.set('shop', { port: moved.port, state: 'up' });
    await expect.poll(async () => (await fetch(url)).text(), { timeout: 10_000 }).toBe('second');
  }, 30_000);

  it('keeps asking a service where it was while a new configuration waits for the store', async () => {
    const app = kept(await openUpstream((_request, response) => response.end('there')));
    const services = new Map([['shop', { port: app.port, state: 'up' as const }]]);
    let answers: Promise<void> = Promise.resolve();
    const one = await node(
      'reloaded',
      { routes: [route], upstreams: { app: upstream(['shop']) } },
      { services, storeAnswers: () => answers },
    );
    const url = await one.url();
    const statuses = new Set<number>();
    const asking = async (ready: (shown: Shown) => boolean): Promise<void> => {
      do statuses.add((await fetch(url)).status);
      while (!ready(await one.show()));
    };
    const silence = Promise.withResolvers<void>();
    answers = silence.promise;
    one.change({ upstreams: { app: upstream(['shop', 'other']) } });
    await asking(({ upstreams }) => upstreams[0]?.targets.length === 2);
    for (let at = 0; at < 10; at += 1) statuses.add((await fetch(url)).status);
    // One that nobody knew is found before it is asked.
    services.set('other', { port: app.port, state: 'up' });
    one.change({ upstreams: { app: upstream(['other']) } });
    silence.resolve();
    await asking(({ upstreams }) => upstreams[0]?.targets.length === 1);
    for (let at = 0; at < 10; at += 1) statuses.add((await fetch(url)).status);
    expect([...statuses]).toEqual([200]);
  }, 30_000);

  it('finishes what it has begun when it moves, changes its upstream, or stops', async () => {
    const answers: (() => void)[] = [];
    const app = kept(
      await openUpstream((_request, response) => {
        response.write('begun, ');
        answers.push(() => response.end('finished'));
      }),
    );
    const other = kept(await openUpstream((_request, response) => response.end('other')));
    const one = await node('drained', { routes: [route], upstreams: { app: upstream([app.origin]) } });
    const before = await one.url();
    const begun = fetch(before).then((answer) => answer.text());
    await expect.poll(() => answers.length).toBe(1);
    one.change({ upstreams: { app: upstream([other.origin]) } });
    await expect.poll(async () => (await one.show()).upstreams[0]?.targets[0]?.origin).toBe(other.origin);
    expect(await (await fetch(before)).text()).toBe('other');
    answers[0]?.();
    expect(await begun).toBe('begun, finished');

    one.change({ upstreams: { app: upstream([app.origin]) } });
    const paths: Promise<string>[] = [];
    await expect
      .poll(async () => {
        paths.push(fetch(before).then((answer) => answer.text()));
        await new Promise((resolve) => setTimeout(resolve, 50));
        return answers.length;
      })
      .toBeGreaterThan(1);
    const stopped = one.gateway.stop();
    await expect(fetch(before)).rejects.toThrow(/fetch failed/);
    for (const answer of answers) answer();
    await stopped;
    expect(await paths.at(-1)).toBe('begun, finished');
  }, 30_000);

  it('closes nothing but what a secret would have opened, says so, and keeps one that it has read', async () => {
    const app = kept(await openUpstream((_request, response) => response.end('ok')));
    const secrets = new Map<string, string>();
    const secret = 'a secret that has thirty-two bytes';
    const tokens: ConfiguredAuth = {
      is: 'jwt',
      issuer: 'issuer',
      audience: 'shop',
      algorithms: ['HS256'],
      secrets: [{ env: 'TOKENS' }],
      toleranceSeconds: 5,
      userClaim: 'sub',
      planClaim: 'plan',
    };
    const key: ConfiguredAuth = {
      is: 'keys',
      header: 'x-api-key',
      keys: [{ id: 'one', sha256: createHash('sha256').update('key').digest('hex'), user: 'ada', scopes: [] }],
    };
    const one = await node(
      'secret',
      {
        routes: [route, { ...route, name: 'shut', path: '/shut', auth: [tokens, key], anonymous: false }],
        upstreams: { app: upstream([app.origin]) },
      },
      { secrets },
    );
    const url = await one.url();
    const bearer = await new SignJWT({})
      .setProtectedHeader({ alg: 'HS256' })
      .setIssuer('issuer')
      .setAudience('shop')
      .setSubject('ada')
      .setExpirationTime('1h')
      .sign(Buffer.from(secret));
    const shut = (headers: Record<string, string>): Promise<Response> => fetch(`${url}/shut`, { headers });
    const incident = () => ledger.byFingerprint(`${NOT_AS_CONFIGURED}:secret`);

    expect((await fetch(url)).status).toBe(200);
    const refused = await shut({ authorization: `Bearer ${bearer}` });
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '5']);
    expect(refused.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
    expect((await shut({ 'x-api-key': 'key' })).status).toBe(200);
    expect((await shut({})).status).toBe(401);
    expect((await one.show()).problem).toContain('"TOKENS"');
    await expect.poll(incident).toMatchObject({ status: 'open', severity: 'critical' });

    secrets.set('TOKENS', secret);
    one.change({});
    await expect.poll(async () => (await shut({ authorization: `Bearer ${bearer}` })).status).toBe(200);
    await expect.poll(incident).toMatchObject({ status: 'resolved' });
    expect((await one.show()).problem).toBeUndefined();

    secrets.delete('TOKENS');
    one.change({});
    await expect.poll(async () => (await one.show()).problem).toContain('What it was before holds');
    expect((await shut({ authorization: `Bearer ${bearer}` })).status).toBe(200);
  }, 30_000);

  it('says that its port is taken, and serves when it is free', async () => {
    const app = kept(await openUpstream((_request, response) => response.end('ok')));
    const taken = await openUpstream((_request, response) => response.end('another'));
    const one = await node('taken', {
      place: { host: '127.0.0.1', port: taken.port },
      routes: [route],
      upstreams: { app: upstream([app.origin]) },
    });
    const incident = () => ledger.byFingerprint(`${NOT_AS_CONFIGURED}:taken`);
    expect(await one.show()).toMatchObject({ problem: expect.stringContaining('EADDRINUSE') as string });
    expect((await one.show()).address).toBeUndefined();
    await expect.poll(incident).toMatchObject({ status: 'open', severity: 'critical' });
    await taken.close();
    one.change({});
    await expect.poll(async () => (await one.show()).address).toContain(String(taken.port));
    await expect.poll(incident).toMatchObject({ status: 'resolved' });
    expect(await (await fetch(await one.url())).text()).toBe('ok');
  }, 30_000);
});
