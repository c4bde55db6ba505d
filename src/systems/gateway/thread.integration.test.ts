import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { open, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../testing/database.ts';
import { NO_LIMITS, openUpstream, routeTo, type TestUpstream } from '../../testing/gateway.ts';
import { memoryLog } from '../../testing/log.ts';
import { createLedger, type Ledger } from '../incidents/ledger.ts';
import { incidentsMigrations } from '../incidents/tables.ts';
import { createGateway, type Gateway, gatewayMigrations, type GatewaySettings, NOT_AS_CONFIGURED } from './index.ts';

const TIMES = {
  answerMs: 1_000,
  beginMs: 20_000,
  endMs: 500,
  refreshMs: 100,
  firstPauseMs: 50,
  longestPauseMs: 200,
  steadyMs: 0,
};
const REAL = new URL('../../compose/gateway-thread.ts', import.meta.url);
const polled = { timeout: 20_000, interval: 20 };
/** What is counted has to outlive the thread. */
const FIVE = { ...NO_LIMITS, anonymous: 5 };

interface Shown {
  readonly address?: string;
  readonly problem?: string;
  readonly requests: number;
}

describe("the gateway's thread", () => {
  let folder: string;
  let pipe: string;
  let database: TestDatabase;
  let ledger: Ledger;
  let app: TestUpstream;
  let gateway: Gateway | undefined;
  const log = memoryLog();

  beforeEach(async () => {
    log.lines.length = 0;
    folder = mkdtempSync(join(tmpdir(), 'stw-gateway-thread-'));
    pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    database = await testDatabase({ migrations: [...gatewayMigrations, ...incidentsMigrations] });
    ledger = createLedger({ store: database.store, now: () => new Date() });
    app = await openUpstream((_request, response) => response.end('answered'));
  });
  afterEach(async () => {
    await gateway?.stop();
    gateway = undefined;
    await app.close();
    await database.drop();
    rmSync(folder, { recursive: true, force: true });
  });

  /** The real one, that does something else when a file of this name is there. */
  function script(name: string, does: string): URL {
    const path = join(folder, 'thread.mjs');
    const file = JSON.stringify(join(folder, name));
    writeFileSync(
      path,
      `import { existsSync, openSync, rmSync } from 'node:fs';
       setInterval(() => { if (!existsSync(${file})) return; rmSync(${file}); ${does} }, 20);
       await import(${JSON.stringify(REAL.href)});`,
    );
    return pathToFileURL(path);
  }

  async function begin(thread: URL, settings: Partial<GatewaySettings> = {}): Promise<void> {
    gateway = createGateway({
      store: database.store,
      home: folder,
      thread,
      settings: () => ({
        place: { host: '127.0.0.1', port: 0 },
        routes: [{ ...routeTo('app'), auth: [], limits: FIVE }],
        limits: NO_LIMITS,
        upstreams: {
          app: { targets: [app.origin], connectMs: 1_000, idleMs: 5_000, mostAtOnce: 100, allowLinkLocal: false },
        },
        trustedProxies: [],
        requestMs: 10_000,
        drainMs: 1_000,
        ...settings,
      }),
      onSettings: () => () => undefined,
      secrets: () => Promise.reject(new Error('there are none')),
      incidents: ledger,
      inventory: { resolve: () => Promise.resolve(undefined) },
      monitor: { status: () => Promise.resolve(undefined) },
      nodes: () => Promise.resolve(1),
      node: { id: 'one' },
      now: () => new Date(),
      log,
      times: TIMES,
    });
    await gateway.start();
  }

  async function show(): Promise<Shown> {
    const query = gateway?.operations.find((each) => each.name === 'gateway');
    return (await query?.handle({}, {} as never)) as Shown;
  }
  const status = async (): Promise<number> => (await fetch((await show()).address ?? '')).status;
  const incident = () => ledger.byFingerprint(`${NOT_AS_CONFIGURED}:one`);

  it('that ends is begun anew, is an incident until it serves, and has what was counted still counted', async () => {
    await begin(script('die', 'process.exit(1);'));
    for (let at = 0; at < 3; at += 1) expect(await status()).toBe(200);
    await writeFile(join(folder, 'die'), '');
    await expect
      .poll(() => log.lines.map(({ message }) => message), polled)
      .toContain('a thread ended and is begun anew');
    // Until it is noticed, the address is still that of the one that ended.
    await expect.poll(() => status().catch(() => undefined), polled).toBe(200);
    expect([await status(), await status()]).toEqual([200, 429]);
    await expect.poll(incident, polled).toMatchObject({ status: 'resolved', severity: 'critical' });
    expect((await show()).problem).toBeUndefined();
  }, 60_000);

  it('that runs without an end is ended and begun anew at its port, and is an incident until it serves', async () => {
    const taken = createServer().listen(0, '127.0.0.1');
    await once(taken, 'listening');
    const { port } = taken.address() as AddressInfo;
    taken.close();
    await once(taken, 'close');
    await begin(script('spin', 'for (;;);'), { place: { host: '127.0.0.1', port } });
    expect(await status()).toBe(200);
    await writeFile(join(folder, 'spin'), '');
    await expect
      .poll(() => log.lines.find(({ message }) => message.includes('begun anew'))?.fields['reason'], polled)
      .toBe('its code ran without an end, so it was ended');
    await expect.poll(incident, polled).toMatchObject({ severity: 'critical' });
    await expect.poll(() => status().catch(() => undefined), polled).toBe(200);
    await expect.poll(incident, polled).toMatchObject({ status: 'resolved' });
  }, 60_000);

  it('that hangs is an incident until it answers again, and hides nothing else', async () => {
    await begin(script('hang', `openSync(${JSON.stringify(pipe)}, 'r');`));
    expect(await status()).toBe(200);
    await writeFile(join(folder, 'hang'), '');
    await expect.poll(incident, polled).toMatchObject({ status: 'open', severity: 'critical' });
    expect((await show()).problem).toContain('The gateway does not answer within');
    await (await open(pipe, 'w')).close();
    await expect.poll(incident, polled).toMatchObject({ status: 'resolved' });
    expect(await status()).toBe(200);
  }, 60_000);

  it('is not there while there is no route, and what was refused is explained all the same', async () => {
    const routes: GatewaySettings['routes'] = [];
    await begin(REAL, { routes });
    expect(await show()).toMatchObject({ requests: 0 });
    expect((await show()).address).toBeUndefined();
    await gateway?.stop();

    await begin(REAL);
    const { address = '' } = await show();
    for (let at = 0; at < 5; at += 1) await fetch(address);
    const id = (await fetch(address)).headers.get('x-request-id') ?? '';
    await gateway?.stop();

    await begin(REAL, { routes });
    const explain = gateway?.operations.find((each) => each.name === 'gateway-explain');
    expect(await explain?.handle({ id }, {} as never)).toMatchObject({ id, status: 429, rule: 'anonymous' });
  }, 60_000);
});
