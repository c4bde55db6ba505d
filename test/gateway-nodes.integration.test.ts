import { once } from 'node:events';
import { Agent, createServer, get, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DebianPostgres, noDebianPostgres, startDebianPostgres } from './kit/debian-postgres.ts';
import {
  freePort,
  makeHome,
  removeHome,
  type RunningSteward,
  sleep,
  startSteward,
  stewardJson,
} from './kit/steward.ts';

const WINDOW_MS = 60_000;
const PLACES = 64;
const LIMITS = { small: 100, large: 2_000 };
type Route = keyof typeof LIMITS;

describe.skipIf(noDebianPostgres !== false)(
  `the gateways of two Stewards on one PostgreSQL${noDebianPostgres ? `: ${noDebianPostgres}` : ''}`,
  () => {
    const homes: string[] = [];
    const running: RunningSteward[] = [];
    const gateways: string[] = [];
    /** When each request reached the service. */
    const reached: Record<Route, number[]> = { small: [], large: [] };
    let postgres: DebianPostgres;
    let service: Server;
    let agent: Agent;

    beforeAll(async () => {
      postgres = await startDebianPostgres();
      const databaseUrl = await postgres.database('gateways');
      service = createServer((request, response) => {
        reached[request.url?.startsWith('/small') ? 'small' : 'large'].push(performance.now());
        response.end('ok');
      }).listen(0, '127.0.0.1');
      await once(service, 'listening');
      agent = new Agent({ keepAlive: true, maxSockets: PLACES / 2 });
      const ports = [await freePort(), await freePort()] as const;
      const homeOf = (name: string, port: number): string =>
        makeHome(`
node: { name: ${name} }
discovery: { enabled: false }
gateway:
  port: ${port}
  upstreams: { app: { targets: ['http://127.0.0.1:${(service.address() as AddressInfo).port}'] } }
  routes:
    small: { path: /small, upstream: app, limits: { anonymous: ${LIMITS.small}, per: route } }
    large: { path: /large, upstream: app, limits: { anonymous: ${LIMITS.large}, per: route } }
`);
      const [first, second] = [homeOf('first', ports[0]), homeOf('second', ports[1])];
      homes.push(first, second);
      running.push(await startSteward({ home: first, env: { STEWARD_DATABASE_URL: databaseUrl } }));
      const { token } = await stewardJson<{ token: string }>(first, ['node', 'invite', '--expires', '5m']);
      await stewardJson(second, ['node', 'join', running[0]?.url ?? '', '--token', token]);
      running.push(await startSteward({ home: second }));
      for (const port of ports) gateways.push(`http://127.0.0.1:${port}`);
    }, 180_000);
    afterAll(async () => {
      agent?.destroy();
      for (const one of running) await one.stop();
      service?.closeAllConnections();
      service?.close();
      for (const home of homes) await removeHome(home);
      await postgres?.remove();
    }, 60_000);

    async function status(route: Route, place: number): Promise<number> {
      const { promise, resolve, reject } = Promise.withResolvers<number>();
      get(`${gateways[place % 2]}/${route}`, { agent }, (answer) => {
        answer.resume();
        answer.once('end', () => resolve(answer.statusCode ?? 0));
      }).once('error', (error: NodeJS.ErrnoException & { readonly rawPacket?: Buffer }) => {
        // What is no answer of HTTP shows by its bytes who gave it.
        const said = error.rawPacket?.toString('latin1').slice(0, 500);
        reject(
          said === undefined ? error : new Error(`${gateways[place % 2]}: ${JSON.stringify(said)}`, { cause: error }),
        );
      });
      return await promise;
    }

    /** Asks from 64 connections, half of them at each node, as long as `more` says. */
    async function ask(route: Route, more: () => boolean, pauseMs = 0): Promise<Record<number, number>> {
      const seen: Record<number, number> = {};
      await Promise.all(
        Array.from({ length: PLACES }, async (_, place) => {
          while (more()) {
            const each = await status(route, place);
            seen[each] = (seen[each] ?? 0) + 1;
            if (pauseMs > 0) await sleep(pauseMs);
          }
        }),
      );
      return seen;
    }

    /** The most that reached the service within one window, wherever it begins. */
    function mostInOneWindow(times: readonly number[]): number {
      let from = 0;
      return times.reduce((most, time, at) => {
        while (time - (times[from] ?? 0) > WINDOW_MS) from += 1;
        return Math.max(most, at - from + 1);
      }, 0);
    }

    it('let through exactly the limit of ten times as many, and no more around the edge of the window', async () => {
      const began = performance.now();
      for (const route of ['small', 'large'] as const) {
        const limit = LIMITS[route];
        let left = 10 * limit;
        const seen = await ask(route, () => (left -= 1) >= 0);
        expect(seen).toEqual({ 200: limit, 429: 9 * limit });
        expect(reached[route]).toHaveLength(limit);
      }
      expect(performance.now() - began, 'the bursts were within one window').toBeLessThan(WINDOW_MS);

      // On, without a break, until everything has come back once.
      const done = (): boolean =>
        (['small', 'large'] as const).every((route) => reached[route].length === 2 * LIMITS[route]);
      const until = performance.now() + 2 * WINDOW_MS - 10_000;
      const more = (): boolean => !done() && performance.now() < until;
      await Promise.all([ask('small', more, 500), ask('large', more, 100)]);
      for (const route of ['small', 'large'] as const) {
        const times = reached[route];
        expect(times.length).toBeGreaterThan(LIMITS[route]);
        expect(mostInOneWindow(times)).toBe(LIMITS[route]);
        console.log(`${route}: ${times.length} in ${Math.round(((times.at(-1) ?? 0) - (times[0] ?? 0)) / 1_000)} s`);
      }
    }, 240_000);
  },
);
