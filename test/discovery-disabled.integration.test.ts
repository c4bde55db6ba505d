import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually, makeHome, removeHome, type RunningSteward, startSteward, stewardJson } from './kit/steward.ts';

describe('discovery that is switched off', () => {
  const servers: Server[] = [];
  let running: RunningSteward;

  beforeAll(async () => {
    for (let count = 0; count < 2; count += 1) {
      const server = createServer((_request, response) => response.end('hello'));
      await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
      servers.push(server);
    }
    const [named] = servers.map((server) => (server.address() as AddressInfo).port);
    const home = makeHome(
      `discovery: { enabled: false }\nmonitoring: { every: 1s }\nservices:\n  - { name: site, match: { port: ${named} } }\n`,
    );
    running = await startSteward({ home });
  });

  afterAll(async () => {
    await running?.stop();
    await removeHome(running.home);
    for (const server of servers) server.close();
  });

  it('finds only what the configuration names, and watches it', async () => {
    const services = await eventually('the named service is up', async () => {
      const found = await stewardJson<{ name: string; state: string }[]>(running.home, ['services']);
      return found.some(({ state }) => state === 'up') ? found : undefined;
    });

    expect(services.map(({ name, state }) => ({ name, state }))).toEqual([{ name: 'site', state: 'up' }]);
  });
});
