import { createServer, type Server } from 'node:http';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { adminApi, type Api, type SeenIncident } from './kit/api.ts';
import { type Firewall, firewallBefore } from './kit/firewall.ts';
import { invitedPlace, type RunningPlace, startPlace } from './kit/place.ts';
import { eventually, freePort, makeHome, removeHome, type RunningSteward, sleep, startSteward } from './kit/steward.ts';

interface SeenPlace {
  readonly name: string;
  readonly state: string;
  readonly checks: number;
  readonly message: string;
  readonly dropped: number;
}
interface Sighting {
  readonly place: string;
  readonly state: string;
  readonly check: string;
  readonly at?: string;
  readonly latencyMs?: number;
}

interface JsonBody {
  readonly description?: string;
  readonly content: { readonly 'application/json': { readonly schema: unknown } };
}
interface DescribedPost {
  readonly requestBody: JsonBody;
  readonly responses: Readonly<Record<string, JsonBody>>;
}
interface ConfigSchema {
  readonly properties: {
    readonly config: {
      readonly properties: { readonly payload: { readonly contentSchema: z.core.JSONSchema.JSONSchema } };
    };
  };
}

let upstream: Server;
let firewall: Firewall;
let home: string;
let port: number;
let running: RunningSteward;
let api: Api;
let paris: RunningPlace;
let tokyo: RunningPlace;
const agents = new Set<string>();

beforeAll(async () => {
  upstream = createServer((request, response) => {
    agents.add(request.headers['user-agent'] ?? '');
    response.end('hello');
  });
  await new Promise<void>((done) => upstream.listen(0, '127.0.0.1', done));
  firewall = await firewallBefore((upstream.address() as { port: number }).port);
  port = await freePort();
  home = makeHome(`discovery: { enabled: false }
machine: { watch: false }
healing: { enabled: false }
monitoring: { every: 1s }
places: { report: 1s }
services:
  - name: shop
    checks: [{ kind: http, url: 'http://127.0.0.1:${firewall.port}/', every: 1s, timeout: 1s, failures: 2 }]
    places: { need: 2, from: [paris, tokyo, oslo, cron, nowhere] }
`);
  running = await startSteward({ home, port });
  ({ api } = await adminApi(running));
  const [first, second] = [await invitedPlace(home, 'paris'), await invitedPlace(home, 'tokyo')];
  paris = startPlace(running.url, first);
  tokyo = startPlace(running.url, second);
});

afterAll(async () => {
  await Promise.all([paris?.kill(), tokyo?.kill()]);
  await running?.stop();
  await firewall?.close();
  upstream?.close();
  if (home) await removeHome(home);
});

const places = async (): Promise<readonly SeenPlace[]> => (await api.get<{ items: SeenPlace[] }>('places')).items;
const place = async (name: string): Promise<SeenPlace | undefined> =>
  (await places()).find((each) => each.name === name);
const sightings = async (): Promise<readonly Sighting[]> =>
  (await api.get<{ items: Sighting[] }>('place-sightings')).items;
const seenFrom = (name: string, state: string): Promise<Sighting> =>
  eventually(`${name} says ${state}`, async () =>
    (await sightings()).find((each) => each.place === name && each.state === state),
  );
const open = async (symptom?: string): Promise<readonly { id: string; title: string; symptom: string }[]> =>
  (
    await api.get<{ items: { id: string; title: string; symptom: string }[] }>('incidents?status=unresolved')
  ).items.filter((each) => symptom === undefined || each.symptom === symptom);

describe('places', () => {
  it('join with their invitation, are told what to look at, and say what they see as who they are', async () => {
    await seenFrom('paris', 'up').catch((thrown: unknown) => {
      throw new Error(`${paris.output()}\n${running.output()}`, { cause: thrown });
    });
    const { latencyMs } = await seenFrom('tokyo', 'up');
    expect(latencyMs).toBeGreaterThan(0);
    expect(await place('paris')).toMatchObject({ state: 'reporting', checks: 1 });
    expect(agents).toContain('InsightPulse-HealthCheck/1.0');
    const { notices } = await api.get<{ notices: { text: string }[] }>('overview');
    expect(notices.map(({ text }) => text)).toContain(
      'shop is to be looked at from nowhere, and there is no such place.',
    );
    // The invitation is gone from the file, and what stands there now is the token.
    expect(readFileSync(paris.tokenFile, 'utf8')).toMatch(/^stwp_/);
  });

  it('open no incident for what a single one of them cannot reach', async () => {
    firewall.block(paris.pid);
    await seenFrom('paris', 'down');
    await sleep(5_000);
    expect(await open()).toEqual([]);
    const health = await api.get<{
      services: { name: string; state: string; checks: { last: { message: string } }[] }[];
    }>('service-health');
    const shop = health.services.find(({ name }) => name === 'shop');
    expect(shop).toMatchObject({ state: 'up' });
    expect(shop?.checks[0]?.last.message).toContain('Only from paris.');
    firewall.allow(paris.pid);
    await seenFrom('paris', 'up');
  });

  it('open one incident for the uplink of this machine where all that they reach fails here alone', async () => {
    firewall.block(running.pid);
    const found = await eventually('an incident', async () => (await open())[0]);
    expect(found).toMatchObject({ symptom: 'node.uplink', title: expect.stringContaining('paris, tokyo reach it') });
    expect(await open()).toHaveLength(1);
    firewall.allow(running.pid);
    await eventually('it is over', async () => ((await open()).length === 0 ? true : undefined), 60_000);
  }, 120_000);

  it('open one incident for what enough of them cannot reach, with what each saw and where it breaks', async () => {
    firewall.block(paris.pid, tokyo.pid);
    const found = await eventually('an incident', async () => (await open())[0]);
    expect(await open()).toHaveLength(1);
    // Where it runs it is well, so there is nothing to heal.
    expect(found.symptom).toBe('service.unreachable');
    const incident = await api.get<SeenIncident>(`incidents/${found.id}`);
    const evidence = JSON.stringify(incident.evidence);
    expect(evidence).toMatch(/"at paris":"down in/);
    expect(evidence).toMatch(/"at tokyo":"down in/);
    expect(evidence).toContain('The way in to this host: it answers here, and nowhere else (paris and tokyo).');
    firewall.allow(paris.pid, tokyo.pid);
    await eventually('it is over', async () => ((await open()).length === 0 ? true : undefined), 60_000);
  }, 120_000);

  it('are missed when they are silent, which says nothing about the service', async () => {
    await tokyo.kill();
    const found = await eventually('an incident', async () => (await open('probe.silent'))[0], 60_000);
    expect(found.title).toContain('tokyo');
    expect(await place('tokyo')).toMatchObject({ state: 'silent' });
    expect(await open()).toHaveLength(1);
    tokyo = startPlace(running.url, tokyo.tokenFile);
    await eventually('it is over', async () => ((await open()).length === 0 ? true : undefined), 60_000);
  }, 150_000);

  it('have a token that opens nothing else, and nothing else opens what is theirs', async () => {
    const token = readFileSync(paris.tokenFile, 'utf8').trim();
    const ask = async (method: string, path: string, bearer: string, body?: object): Promise<number> =>
      (
        await fetch(`${running.url}${path}`, {
          method,
          headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
          ...(body && { body: JSON.stringify(body) }),
        })
      ).status;
    // Few, because each is a failed attempt like any other, and who fails often is locked out.
    for (const path of ['places', 'services', 'incidents', 'config', 'me'])
      expect([path, await ask('GET', `/api/v1/${path}`, token)]).toEqual([path, 401]);
    for (const path of ['invite-place', 'remove-place'])
      expect([path, await ask('POST', `/api/v1/${path}`, token, { name: 'x' })]).toEqual([path, 401]);
    expect(await ask('POST', '/mcp', token, {})).toBe(401);
    const { token: admin } = await adminApi(running);
    const forged = token.replace(/_([0-9a-f]{64})_/, `_${'0'.repeat(64)}_`);
    for (const other of [admin, forged, 'stwp_x']) {
      expect(await ask('POST', '/api/v1/places/report', other, {})).toBe(401);
      expect(await ask('POST', '/internal/metrics/healthcheck', other, {})).toBe(401);
    }
    // The same invitation a second time, for a token of somebody else.
    const { token: invitation } = await api.post<{ token: string }>('invite-place', { name: 'oslo' });
    const join = (tokenHash: string): Promise<number> =>
      ask('POST', '/api/v1/places/join', 'none', { invitation, tokenHash });
    expect(await join('a'.repeat(64))).toBe(200);
    expect(await join('a'.repeat(64))).toBe(200);
    expect(await join('b'.repeat(64))).toBe(403);
    await api.post('remove-place', { name: 'oslo' });
  });

  it('take what other health checks post, and say what they do not know', async () => {
    const { token } = await api.post<{ token: string }>('invite-place', { name: 'cron', direct: true });
    const post = async (body: object): Promise<{ status: number; body: unknown }> => {
      const response = await fetch(`${running.url}/internal/metrics/healthcheck`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      return { status: response.status, body: await response.json() };
    };
    const results = [
      { service: 'shop', healthy: true, latency: 42 },
      { service: 'nobody', healthy: false, latency: null },
    ];
    const timestamp = new Date().toISOString();
    expect(await post({ timestamp, results })).toEqual({ status: 200, body: { taken: 1, unknown: ['nobody'] } });
    // Once more, as after an answer that was lost.
    await post({ timestamp, results });
    expect((await api.get<{ items: object[] }>('place-history?name=cron')).items).toMatchObject([
      { state: 'up', latencyMs: 42, at: timestamp },
    ]);
    expect((await post({ timestamp: 'yesterday', results })).status).toBe(400);
    expect((await post({ timestamp, results: [{ service: 'shop' }] })).status).toBe(400);
    await api.post('remove-place', { name: 'cron' });
    expect((await post({ timestamp, results })).status).toBe(401);
  });

  it('follow no configuration that was changed on the way', async () => {
    let forge = false;
    const between = createServer((request, response) => {
      void (async () => {
        let body = '';
        for await (const chunk of request) body += chunk;
        const answer = await fetch(`${running.url}${request.url}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: request.headers.authorization ?? '' },
          body: forge ? JSON.stringify({ ...JSON.parse(body), have: 0 }) : body,
        });
        const text = await answer.text();
        const said = JSON.parse(text) as { config?: { payload: string } };
        if (forge && said.config) {
          const config = JSON.parse(said.config.payload);
          said.config.payload = JSON.stringify({ ...config, version: config.version + 1, checks: [] });
        }
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(JSON.stringify(said));
      })();
    });
    await new Promise<void>((done) => between.listen(0, '127.0.0.1', done));
    const address = `http://127.0.0.1:${(between.address() as { port: number }).port}`;
    const oslo = startPlace(address, await invitedPlace(home, 'oslo'));
    try {
      await seenFrom('oslo', 'up');
      forge = true;
      await eventually('it refuses', async () =>
        /a configuration was refused/.test(oslo.output()) ? true : undefined,
      );
      const { at } = await seenFrom('oslo', 'up');
      // It goes on looking at what it was told before.
      await eventually('it goes on', async () => {
        const now = (await sightings()).find((each) => each.place === 'oslo');
        return now?.at !== at ? true : undefined;
      });
    } finally {
      await oslo.kill();
      between.close();
      await api.post('remove-place', { name: 'oslo' });
    }
  });

  it('speak what openapi.json says, refusals included', async () => {
    const spoken: { path: string; asked: unknown; status: number; said: unknown }[] = [];
    const between = createServer((request, response) => {
      void (async () => {
        let body = '';
        for await (const chunk of request) body += chunk;
        const { authorization = '' } = request.headers;
        const headers = { 'content-type': 'application/json', authorization };
        const answer = await fetch(`${running.url}${request.url}`, { method: 'POST', headers, body });
        const text = await answer.text();
        spoken.push({
          path: request.url ?? '',
          asked: JSON.parse(body),
          status: answer.status,
          said: JSON.parse(text),
        });
        response.writeHead(answer.status, { 'content-type': 'application/json' }).end(text);
      })();
    });
    await new Promise<void>((done) => between.listen(0, '127.0.0.1', done));
    const address = `http://127.0.0.1:${(between.address() as { port: number }).port}`;
    const { paths } = await api.get<{ paths: Record<string, { post: DescribedPost }> }>('openapi.json');
    const described = (path: string): DescribedPost => {
      const post = paths[path]?.post;
      if (!post) throw new Error(`${path} is not described`);
      return post;
    };
    const schemaOf = (part: JsonBody | undefined): z.ZodType =>
      z.fromJSONSchema((part?.content['application/json'].schema ?? false) as z.core.JSONSchema.JSONSchema);

    const oslo = startPlace(address, await invitedPlace(home, 'oslo'));
    try {
      const { payload } = await eventually('a configuration, and results under it', async () =>
        spoken.some(({ asked }) => (asked as { results?: object[] }).results?.length)
          ? spoken.flatMap(({ said }) => (said as { config?: { payload: string } }).config ?? [])[0]
          : undefined,
      );
      expect(new Set(spoken.map(({ path }) => path))).toEqual(
        new Set(['/api/v1/places/join', '/api/v1/places/report']),
      );
      for (const { path, asked, said } of spoken) {
        schemaOf(described(path).requestBody).parse(asked);
        schemaOf(described(path).responses['200']).parse(said);
      }
      const answer = described('/api/v1/places/report').responses['200']?.content['application/json'].schema;
      const { contentSchema } = (answer as ConfigSchema).properties.config.properties.payload;
      z.fromJSONSchema(contentSchema).parse(JSON.parse(payload));
    } finally {
      await oslo.stop();
      between.close();
    }

    const token = readFileSync(oslo.tokenFile, 'utf8').trim();
    const { token: invitation } = await api.post<{ token: string }>('invite-place', { name: 'oslo' });
    const refusal = async (path: string, bearer: string, body: object): Promise<string> => {
      const response = await fetch(`${running.url}${path}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const { error } = (await response.json()) as { error: { code: string } };
      expect(described(path).responses[String(response.status)]?.description).toMatch(new RegExp(`^${error.code}: `));
      return error.code;
    };
    const large = { service: 'x'.repeat(1_100_000) };
    for (const path of ['/api/v1/places/report', '/internal/metrics/healthcheck']) {
      // Invited anew, and with that the token of before is of no use.
      expect(await refusal(path, token, {})).toBe('UNAUTHENTICATED');
      expect(await refusal(path, token, large)).toBe('TOO_LARGE');
    }
    const tokenHash = 'a'.repeat(64);
    expect(await refusal('/api/v1/places/join', '', { invitation })).toBe('INPUT_INVALID');
    expect(await refusal('/api/v1/places/join', '', { invitation: token, tokenHash })).toBe('FORBIDDEN');
    const asked = Array.from({ length: 20 }, () => refusal('/api/v1/places/join', '', {}));
    expect(await Promise.all(asked)).toContain('RATE_LIMITED');

    const { token: direct } = await api.post<{ token: string }>('invite-place', { name: 'oslo', direct: true });
    for (const path of ['/api/v1/places/report', '/internal/metrics/healthcheck'])
      expect(await refusal(path, direct, {})).toBe('INPUT_INVALID');
    await api.post('remove-place', { name: 'oslo' });
  }, 60_000);

  it('keep what they saw while the server is away, over a kill of their own, and bring it with its own times', async () => {
    await running.kill();
    const away = new Date();
    await sleep(4_000);
    await paris.kill();
    paris = startPlace(running.url, paris.tokenFile);
    await sleep(4_000);
    const back = new Date();
    running = await startSteward({ home, port });
    ({ api } = await adminApi(running));
    const during = await eventually(
      'results of the time without a server',
      async () => {
        const { items } = await api.get<{ items: { at: string; receivedAt: string; state: string }[] }>(
          'place-history?name=paris&limit=500',
        );
        const late = items.filter(({ at }) => new Date(at) > away && new Date(at) < back);
        return late.length >= 4 ? late : undefined;
      },
      90_000,
    );
    for (const { receivedAt } of during) expect(new Date(receivedAt).getTime()).toBeGreaterThan(back.getTime());
    expect(await place('paris')).toMatchObject({ state: 'reporting', dropped: 0 });
  }, 180_000);
});
