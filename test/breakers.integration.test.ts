import { createServer, type Server } from 'node:http';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Api, apiOf } from './kit/api.ts';
import {
  eventually,
  freePort,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

interface RunView {
  readonly id: string;
  readonly status: string;
  readonly finishedAt?: string;
  readonly error?: { readonly code: string; readonly message: string };
}

interface BreakerView {
  readonly name: string;
  readonly state: string;
  readonly failures: number;
}

/** A host that does not answer, a Steward that calls it, and one that is killed in between. */
describe('a circuit breaker of the whole product', () => {
  let home: string;
  let port: number;
  let running: RunningSteward;
  let api: Api;
  let server: Server | undefined;
  let calls = 0;

  const begin = async (): Promise<void> => {
    running = await startSteward({ home });
    api = apiOf(running.url, readFileSync(join(home, 'cli-token'), 'utf8').trim());
  };
  const call = async (): Promise<RunView> => {
    // Each time another address: the same call again and again is what the loop breaker ends.
    const url = `http://127.0.0.1:${port}/${(calls += 1)}`;
    const { id } = await api.post<RunView>('automations/call-http/runs', {
      input: { url, method: 'PUT', json: { calls } },
    });
    return await eventually(`run ${id} ends`, async () => {
      const run = await api.get<RunView>(`runs/${id}`);
      return run.finishedAt === undefined ? undefined : run;
    });
  };

  beforeAll(async () => {
    port = await freePort();
    home = makeHome(`
discovery: { enabled: false }
http: { allow: [{ host: '127.0.0.1:${port}' }] }
policy: [{ automation: call-http, decision: auto, why: 'For the test.' }]
`);
    await begin();
  }, 90_000);
  afterAll(async () => {
    await running?.stop();
    server?.close();
    await removeHome(home);
  });

  it('opens after five requests in a row that nobody answered, is open after kill -9 too, and is closed by hand', async () => {
    // Each of these runs tries a few times by itself.
    expect((await call()).error?.code).not.toBe('BREAKER_OPEN');
    await call();
    const refused = await call();
    expect(refused.error?.code).toBe('BREAKER_OPEN');
    expect(refused.error?.message).toContain(`Circuit breaker is OPEN: http:127.0.0.1:${port} failed 5 times in a row`);

    await running.kill();
    server = createServer((_request, response) => response.end('here again'));
    await new Promise<void>((listening) => server?.listen(port, '127.0.0.1', listening));
    await begin();
    const name = `http:127.0.0.1:${port}`;
    expect((await call()).error?.code).toBe('BREAKER_OPEN');
    expect((await steward(home, ['breakers'])).stdout).toMatch(new RegExp(`${name} +open +5`));

    expect(await stewardJson<BreakerView>(home, ['breaker', 'reset', name])).toMatchObject({ name, state: 'closed' });
    expect((await call()).status).toBe('succeeded');
    expect(await stewardJson<BreakerView[]>(home, ['breakers'])).toMatchObject([
      { name, state: 'closed', failures: 0 },
    ]);
  }, 120_000);
});
