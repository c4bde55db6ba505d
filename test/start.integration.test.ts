import { execFileSync } from 'node:child_process';
import { chownSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { createSockets } from '../src/adapters/sockets/index.ts';
import { cloneCheckout } from './kit/checkout.ts';
import {
  eventually,
  freePort,
  isAlive,
  makeHome,
  postmasterPid,
  removeHome,
  type RunningSteward,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

/** Scripts read exactly this. Written down here once more, so that a change of the code's own schema is noticed. */
const Status = z.strictObject({
  workflows: z.strictObject({ active: z.literal(6), triggers: z.literal(6) }),
  scaling: z.strictObject({
    cpu: z.number().min(0).max(100),
    memory: z.number().gt(0).max(100),
    active_nodes: z.literal(1),
  }),
  healing: z.strictObject({
    overall_status: z.enum(['healthy', 'degraded', 'unhealthy', 'unknown']),
    components: z.array(
      z.strictObject({
        id: z.string(),
        name: z.string(),
        status: z.string(),
        since: z.iso.datetime(),
        message: z.string(),
      }),
    ),
    stats: z.strictObject({ total_checks: z.int().min(0), healthy: z.int().min(0), successful_healings: z.literal(0) }),
  }),
  intelligence: z.strictObject({
    learned_patterns: z.int(),
    pending_optimizations: z.int(),
    high_impact_suggestions: z.int(),
  }),
  discovery: z.strictObject({ services: z.int().min(0) }),
});

interface Service {
  readonly id: string;
  readonly name: string;
  readonly endpoint?: string;
}

describe('a start on a machine nobody prepared', () => {
  const home = makeHome();
  let app: Server;
  let appPort = 0;
  let running: RunningSteward;
  let port = 0;
  let token = '';

  beforeAll(async () => {
    // Something to be found.
    app = createServer((_request, response) => response.end('<title>Shop</title>'));
    await new Promise<void>((listening) => app.listen(0, '127.0.0.1', listening));
    appPort = (app.address() as AddressInfo).port;
    port = await freePort();
    running = await startSteward({ home, port, withinMs: 60_000 });
  }, 70_000);
  afterAll(async () => {
    await running.stop();
    await removeHome(home);
    app.close();
  });

  const api = async (
    path: string,
    bearer?: string,
    init: Omit<RequestInit, 'headers'> & { headers?: Record<string, string> } = {},
  ) =>
    await fetch(`${running.url}${path}`, {
      ...init,
      headers: { ...init.headers, ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }) },
    });
  const theApp = async (): Promise<Service | undefined> =>
    (await stewardJson<Service[]>(home, ['services'])).find(({ endpoint }) => endpoint === `127.0.0.1:${appPort}`);
  const link = (): string => /here, once: (\S+)/.exec(running.output())?.[1] ?? '';

  it('prints its address and one link to set it up', async () => {
    await eventually('the link', async () => link() || undefined);

    expect(running.output()).toMatch(/^Steward \S+ is ACTIVE on /m);
    expect(running.output()).toContain(`is ACTIVE on http://127.0.0.1:${port}\n`);
    expect(link()).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:${port}/setup#.{20,}$`));
    expect(running.output().split('/setup#')).toHaveLength(2);
    expect(running.output()).toContain('6 workflows are scheduled');
    expect(statSync(join(home, 'setup-link')).mode & 0o777).toBe(0o600);
  });

  it('answers to whoever asks that it is alive, and nothing else without a token', async () => {
    const health = await api('/api/v1/health');
    expect(health.status).toBe(200);
    expect(await health.json()).toEqual({ status: 'alive' });

    for (const path of ['/api/v1/automation/status', '/api/v1/services', '/api/v1/overview', '/api/v1/runs'])
      expect((await api(path)).status, path).toBe(401);
  });

  it('creates a token on the machine itself', async () => {
    const made = await stewardJson<{ token: string }>(home, ['token', 'create', '--role', 'viewer', '--name', 'test']);

    token = made.token;
    expect(token).toMatch(/^stw_/);
    expect((await api('/api/v1/services', token)).status).toBe(200);
    expect((await api('/api/v1/services', `${token}x`)).status).toBe(401);
  });

  it('shows its status in the shape that scripts rely on', async () => {
    await eventually('the app in the inventory', theApp);

    const status = (await (await api('/api/v1/automation/status', token)).json()) as z.output<typeof Status>;
    expect(status.discovery.services).toBeGreaterThan(0);
    expect(Status.safeParse(status).error?.issues ?? []).toEqual([]);
    expect(Status.safeParse(await stewardJson(home, ['status'])).error?.issues ?? []).toEqual([]);
  });

  it('prints services, incidents and runs as arrays of what the API returns', async () => {
    for (const [command, path] of [
      ['services', '/api/v1/services'],
      ['incidents', '/api/v1/incidents'],
      ['runs', '/api/v1/runs'],
    ] as const) {
      const printed = await stewardJson<{ id: string }[]>(home, [command]);
      const answer = (await (await api(path, token)).json()) as { id: string }[] | { items: { id: string }[] };
      const ids = (rows: { id: string }[]): string[] => rows.map(({ id }) => id).toSorted();
      expect(ids(printed), command).toEqual(ids(Array.isArray(answer) ? answer : answer.items));
    }
  });

  it('is examined: what it needs, what it lacks, and the command that mends it', async () => {
    await stewardJson(home, ['token', 'create', '--role', 'viewer', '--name', 'soon', '--expires', '1d']);
    const findings = await stewardJson<{ what: string; state: string; detail: string; mend?: string }[]>(home, [
      'doctor',
    ]);
    const found = (what: string) => findings.find((each) => each.what === what);

    expect(found('server')).toMatchObject({ state: 'ok', detail: expect.stringContaining(String(port)) });
    expect(found('proof of backups')).toMatchObject({ state: 'note', mend: 'steward backup run self' });
    expect(found('delivery of alerts')?.detail).toBe('no channel, so nothing is delivered');
    expect(found('what runs by the clock')?.state).toBe('note');
    expect(found('mode')?.state).toBe('ok');
    expect(found('tokens')).toMatchObject({
      state: 'note',
      detail: expect.stringMatching(/^soon ends /),
      mend: expect.stringMatching(/^steward token rotate \S+$/),
    });
    expect(findings.filter(({ state, mend }) => state === 'problem' && mend === undefined)).toEqual([]);
  });

  it('does not find itself, nor the PostgreSQL that it brings', async () => {
    const services = await stewardJson<Service[]>(home, ['services']);

    expect(services.filter(({ endpoint = '' }) => endpoint.endsWith(`:${port}`) || endpoint.startsWith(home))).toEqual(
      [],
    );
  });

  it('makes the first administrator by the link, once', async () => {
    const secret = link().split('#')[1] ?? '';
    const setUp = (name: string, token: string) =>
      api('/api/v1/setup', undefined, {
        method: 'POST',
        headers: { 'content-type': 'application/json', origin: running.url },
        body: JSON.stringify({ token, name, password: 'correct horse battery' }),
      });
    expect((await setUp('eve', `${secret}x`)).status).toBeGreaterThanOrEqual(400);

    const first = await setUp('ada', secret);
    expect([first.status, await first.json()]).toMatchObject([200, { name: 'ada', role: 'admin', signedIn: true }]);
    expect(first.headers.get('set-cookie')).toMatch(/HttpOnly.*SameSite=Strict/);
    expect((await setUp('eve', secret)).status).toBeGreaterThanOrEqual(400);
    expect(await (await api('/api/v1/setup')).json()).toEqual({ pending: false });
  });

  it('refuses a second start on the same home, and names who holds it', async () => {
    const second = await steward(home, ['serve'], { env: { STEWARD_PORT: '0' } });

    expect(second.code).toBe(18);
    expect(second.stderr).toContain(`runs as process ${running.pid} since`);
    expect(second.stderr).toContain(`answers on http://127.0.0.1:${port}`);
    expect(second.stderr).toContain(`kill ${running.pid}`);
    expect((await api('/api/v1/health')).status).toBe(200);
  });

  it('is all there after kill -9, on the PostgreSQL that went on', async () => {
    const before = {
      app: await theApp(),
      node: readFileSync(join(home, 'node-id'), 'utf8'),
      postgres: postmasterPid(home),
    };
    await running.kill();
    expect(isAlive(before.postgres ?? 0)).toBe(true);

    running = await startSteward({ home, port });

    expect(postmasterPid(home)).toBe(before.postgres);
    expect(running.output()).toContain('running store adopted');
    expect(await theApp()).toMatchObject({ id: before.app?.id, name: before.app?.name });
    expect((await api('/api/v1/services', token)).status).toBe(200);
    expect(readFileSync(join(home, 'node-id'), 'utf8')).toBe(before.node);
    const { node } = (await (await api('/api/v1/overview', token)).json()) as { node: { id: string } };
    expect(node.id).toBe(before.node.trim());
    // An administrator is there, so no link is needed any more.
    await eventually('the last line', async () => (running.output().includes('is ACTIVE on') ? true : undefined));
    expect(running.output()).not.toContain('/setup#');
  });

  it('is all there after a power failure took PostgreSQL, too', async () => {
    const before = { app: await theApp(), postgres: postmasterPid(home) ?? 0 };
    await running.kill();
    process.kill(before.postgres, 'SIGKILL');
    await eventually('the end of PostgreSQL', async () => (isAlive(before.postgres) ? undefined : true));

    running = await startSteward({ home, port });

    expect(postmasterPid(home)).not.toBe(before.postgres);
    expect(await theApp()).toMatchObject({ id: before.app?.id });
    expect((await api('/api/v1/services', token)).status).toBe(200);
  });

  it('ends within seconds when asked to, although somebody holds on to it, and leaves no process', async () => {
    const postgres = postmasterPid(home) ?? 0;
    const held = await holdOnTo(running.pid);
    const began = performance.now();

    expect(await running.stop()).toBe(0);

    expect(performance.now() - began).toBeLessThan(15_000);
    expect(isAlive(postgres)).toBe(false);
    expect(isAlive(running.pid)).toBe(false);
    expect(processesOf(home)).toEqual([]);
    for (const socket of held) socket.destroy();
    expect(await steward(home, ['services'])).toMatchObject({ code: 15, stderr: expect.stringContaining('npm start') });
  });
});

const NOBODY = { uid: 65_534, gid: 65_534 };

describe.skipIf(process.getuid?.() !== 0)('a clone in a private folder (needs root to become others)', () => {
  let clone: Awaited<ReturnType<typeof cloneCheckout>>;

  beforeAll(async () => {
    clone = await cloneCheckout();
  });
  afterAll(() => clone.remove());

  it('serves as root, with PostgreSQL as a user of its own that cannot enter the clone', async () => {
    const home = makeHome();
    const running = await startSteward({ home, checkout: clone.folder });
    try {
      const postgres = postmasterPid(home) ?? 0;
      expect(statSync(clone.folder).mode & 0o777).toBe(0o700);
      expect(statSync(`/proc/${postgres}`).uid).not.toBe(0);
      expect(await stewardJson(home, ['overview'], { checkout: clone.folder })).toMatchObject({ store: { ok: true } });
    } finally {
      expect(await running.stop()).toBe(0);
      await removeHome(home);
    }
  });

  it('serves as an ordinary user, and says what it cannot do without root', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stw-user-'));
    const home = join(folder, 'data');
    chownSync(folder, NOBODY.uid, NOBODY.gid);
    await clone.giveTo(NOBODY);
    const launch = { checkout: clone.folder, user: NOBODY };
    const running = await startSteward({ home, ...launch });
    try {
      await eventually('the last line', async () => (running.output().includes('is ACTIVE on') ? true : undefined));
      expect(running.output()).toContain('Steward does not run as root');
      expect(statSync(`/proc/${postmasterPid(home) ?? 0}`).uid).toBe(NOBODY.uid);
      expect(statSync(home)).toMatchObject({ ...NOBODY, mode: 0o40700 });
      expect(Status.safeParse(await stewardJson(home, ['status'], launch)).error?.issues ?? []).toEqual([]);
    } finally {
      expect(await running.stop()).toBe(0);
      rmSync(folder, { recursive: true });
    }
  });

  it('ends with a code of its own where it may not write', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'stw-root-'));
    const home = join(folder, 'data');
    await clone.giveTo(NOBODY);
    try {
      const refused = await steward(home, ['serve'], { checkout: clone.folder, user: NOBODY });
      expect(refused.code).toBe(19);
      expect(refused.stderr).toContain(`Steward cannot use ${home} as its data folder as user 65534`);
      expect(refused.stderr).toContain('STEWARD_HOME');
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Connections to every port that the process listens on, one of them with a request that stays unfinished. */
async function holdOnTo(pid: number): Promise<Socket[]> {
  const listeners = (await createSockets().listeners()).filter(
    ({ protocol, pids }) => protocol === 'tcp' && pids.includes(pid),
  );
  const sockets = listeners.map(({ port }) => connect({ host: '127.0.0.1', port, allowHalfOpen: true }));
  for (const socket of sockets) {
    socket.on('error', () => undefined).resume();
    await once(socket, 'connect');
    socket.write('GET / HTTP/1.1\r\n');
  }
  return sockets;
}

/** Processes whose command line names the home, or that PostgreSQL started for it. */
function processesOf(home: string): string[] {
  return execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' })
    .split('\n')
    .filter((line) => line.includes(home));
}
