import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, createServer as createTcpServer, type Server as TcpServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withDatabase } from './kit/database.ts';
import {
  eventually,
  isAlive,
  makeHome,
  postmasterPid,
  removeHome,
  type RunningSteward,
  sleep,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

interface Overview {
  readonly verdict: string;
  readonly store: { readonly ok: boolean };
  readonly delivery: { readonly failing: readonly string[] };
  readonly notices: readonly { readonly id: string; readonly level: string; readonly text: string }[];
}

interface Run {
  readonly id: string;
  readonly status: string;
}

interface Event {
  readonly type: string;
  readonly data: Record<string, unknown>;
}

/** A web server that answers, or is not there, as the test wants. */
async function startApp(): Promise<{ port: number; down(): Promise<void>; up(): Promise<void> }> {
  let server: Server | undefined;
  let port = 0;
  const up = async (): Promise<void> => {
    server = createServer((_request, response) => response.end('well'));
    await new Promise<void>((listening) => server?.listen(port, '127.0.0.1', listening));
    port = (server.address() as AddressInfo).port;
  };
  await up();
  return {
    port,
    up,
    async down() {
      server?.closeAllConnections();
      await new Promise((closed) => server?.close(closed));
    },
  };
}

/** Takes every connection and says nothing, ever. */
async function startSilence(): Promise<{ port: number; taken(): number; close(): void }> {
  let taken = 0;
  const server: TcpServer = createTcpServer((socket) => {
    taken += 1;
    socket.on('error', () => undefined).resume();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { port: (server.address() as AddressInfo).port, taken: () => taken, close: () => server.close() };
}

async function startReceiver(): Promise<{ port: number; received: { title: string; kind: string }[]; close(): void }> {
  const received: { title: string; kind: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      // Steward looks at what listens here, too.
      if (request.method === 'POST')
        received.push((JSON.parse(body) as { data: { title: string; kind: string } }).data);
      response.end();
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  return { port: (server.address() as AddressInfo).port, received, close: () => server.close() };
}

describe('what goes wrong while Steward serves', () => {
  let app: Awaited<ReturnType<typeof startApp>>;
  let silence: Awaited<ReturnType<typeof startSilence>>;
  let receiver: Awaited<ReturnType<typeof startReceiver>>;
  let home: string;
  let file: string;
  let good: string;
  let running: RunningSteward;
  let port: number;

  beforeAll(async () => {
    [app, silence, receiver] = await Promise.all([startApp(), startSilence(), startReceiver()]);
    good = `
monitoring: { every: 200ms, timeout: 1s, failures: 3 }
services:
  - name: shop
    checks: [{ kind: http, url: "http://127.0.0.1:${app.port}/" }]
alerts:
  hold: 0s
  channels:
    - { name: hangs, kind: webhook, url: "http://127.0.0.1:${silence.port}/", secret: { env: HOOK }, allowPrivate: true }
    - { name: works, kind: webhook, url: "http://127.0.0.1:${receiver.port}/", secret: { env: HOOK }, allowPrivate: true }
`;
    home = makeHome(good);
    file = join(home, 'steward.yaml');
    running = await start();
    port = Number(new URL(running.url).port);
    await eventually('the shop is up', async () => ((await shopState()) === 'up' ? true : undefined));
  }, 90_000);
  afterAll(async () => {
    await running.stop();
    await removeHome(home);
    await app.down();
    silence.close();
    receiver.close();
  });

  const start = () =>
    startSteward({ home, ...(port === undefined ? {} : { port }), env: { HOOK: 'dGVzdHMgc2lnbiB3aXRoIHRoaXM=' } });
  const overview = () => stewardJson<Overview>(home, ['overview']);
  const shopState = async (): Promise<string | undefined> =>
    (await stewardJson<{ name: string; state: string }[]>(home, ['services'])).find(({ name }) => name === 'shop')
      ?.state;
  const events = (type: string): Promise<Event[]> =>
    withDatabase(home, async (client) => {
      const { rows } = await client.query<Event>('select type, data from events where type = $1 order by id', [type]);
      return rows;
    });
  const refusal = async (): Promise<string | undefined> =>
    (await overview()).notices.find(({ id }) => id === 'configuration')?.text;

  it('tells one channel at once while another takes the message and never answers', async () => {
    await app.down();

    const alert = await eventually(
      'the alert',
      async () => receiver.received.find(({ title }) => title.includes('shop')),
      10_000,
    );
    expect(['opened', 'escalated']).toContain(alert.kind);
    expect(silence.taken()).toBeGreaterThan(0);
    await app.up();
    await eventually('the shop is up again', async () => ((await shopState()) === 'up' ? true : undefined));
  }, 40_000);

  it('keeps the last good configuration when an edit breaks the file, and says where it is broken', async () => {
    writeFileSync(file, good.replace('monitoring: { every: 200ms,', 'monitoring: { evry: 200ms,'));

    const text = await eventually('the refusal', refusal);
    expect(text).toContain('steward.yaml:2:15');
    expect(running.output()).toMatch(/steward\.yaml:2:15.*configuration refused, the last good one stays in force/);
    expect((await events('config.rejected')).at(-1)?.data).toMatchObject({
      problems: [{ path: 'steward.yaml:2:15 monitoring.evry' }],
    });
    expect(await steward(home, ['config', 'validate'])).toMatchObject({
      code: 17,
      stderr: expect.stringContaining('steward.yaml:2:15'),
    });
    expect(await shopState()).toBe('up');
  });

  it('starts with the last good configuration while the file is broken, and takes the mended one', async () => {
    expect(await running.stop()).toBe(0);
    running = await start();

    expect(await refusal()).toContain('steward.yaml:2:15');
    expect(running.output()).toContain('steward.yaml:2:15');
    await eventually('the shop is watched', async () => ((await shopState()) === 'up' ? true : undefined));

    writeFileSync(file, good);
    await eventually('no refusal', async () => ((await refusal()) === undefined ? true : undefined));
    expect((await events('config.loaded')).length).toBeGreaterThan(0);
  }, 60_000);

  it('goes on when PostgreSQL is killed: started again, nothing lost', async () => {
    const { token } = await stewardJson<{ token: string }>(home, [
      'token',
      'create',
      '--role',
      'viewer',
      '--name',
      'x',
    ]);
    const before = postmasterPid(home) ?? 0;
    const run = await startRun();
    process.kill(before, 'SIGKILL');

    await eventually('another PostgreSQL', async () => {
      const now = postmasterPid(home);
      return now !== undefined && now !== before ? now : undefined;
    });
    expect(await eventually('the end of the run', () => endOf(run))).toBe('succeeded');
    await eventually('a healthy store', async () => ((await overview()).store.ok ? true : undefined));
    expect(
      (await fetch(`${running.url}/api/v1/services`, { headers: { authorization: `Bearer ${token}` } })).status,
    ).toBe(200);
    expect(isAlive(running.pid)).toBe(true);
    expect(running.output()).toContain('bundled store is down');
  }, 60_000);

  it('loses no change of a service while PostgreSQL is frozen, and finishes what was begun', async () => {
    const downs = (await events('service.down')).length;
    const run = await startRun();
    const frozen = [postmasterPid(home) ?? 0, ...childrenOf(postmasterPid(home) ?? 0)];
    for (const pid of frozen) process.kill(pid, 'SIGSTOP');
    try {
      await app.down();
      await sleep(3_000);
      await app.up();
      // Alive is not a question to the store; the rest says that the store is away rather than hang.
      expect((await fetch(`${running.url}/api/v1/health`, { signal: AbortSignal.timeout(5_000) })).status).toBe(200);
      const away = await steward(home, ['services']);
      expect([away.code, away.stderr]).toEqual([21, expect.stringMatching(/database|store/)]);
      await sleep(8_000);
    } finally {
      for (const pid of frozen) process.kill(pid, 'SIGCONT');
    }

    expect(await eventually('the end of the run', () => endOf(run))).toBe('succeeded');
    await eventually('the shop is up', async () => ((await shopState()) === 'up' ? true : undefined));
    await eventually('the event of the time in between', async () =>
      (await events('service.down')).length > downs ? true : undefined,
    );
    expect(running.output()).toContain('database is away');
    expect(running.output()).toContain('database is back');
    expect((await steward(home, ['audit', 'verify'])).code).toBe(0);
  }, 90_000);

  it('goes on although nobody reads its log any more', async () => {
    running.closeOutput();
    writeFileSync(file, 'nonsense: true\n');

    await eventually('the refusal', refusal);
    expect(isAlive(running.pid)).toBe(true);
    expect(await shopState()).toBe('up');
  });

  async function startRun(): Promise<string> {
    const { token } = await stewardJson<{ token: string }>(home, [
      'token',
      'create',
      '--role',
      'admin',
      '--name',
      'run',
    ]);
    const response = await fetch(`${running.url}/api/v1/automations/clean-temp-files/plan`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ input: {} }),
    });
    expect(response.status).toBe(202);
    return ((await response.json()) as Run).id;
  }

  async function endOf(id: string): Promise<string | undefined> {
    const run = (await stewardJson<Run[]>(home, ['runs'])).find((candidate) => candidate.id === id);
    return run && ['succeeded', 'failed', 'canceled', 'rolled-back'].includes(run.status) ? run.status : undefined;
  }
});

function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}
