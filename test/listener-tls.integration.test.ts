import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { get } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority, type Issued } from '../src/testing/world/authority.ts';
import {
  eventually,
  freePort,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  stewardJson,
} from './kit/steward.ts';

const NAME = 'steward.example.org';

describe('the listeners of a Steward that has no proxy in front', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stw-tls-'));
  const files = { cert: join(folder, 'served.pem'), key: join(folder, 'served.key') };
  let authority: Authority;
  let first: Issued;
  let app: Server;
  let home: string;
  let steward: RunningSteward;
  let ports: readonly [hooks: number, gateway: number];

  const serve = ({ cert, key }: { cert?: Issued; key?: Issued }): void => {
    if (cert) writeFileSync(files.cert, cert.cert + authority.intermediate);
    if (key) writeFileSync(files.key, key.key);
  };

  beforeAll(async () => {
    authority = createAuthority(folder);
    first = authority.issue(NAME);
    serve({ cert: first, key: first });
    app = createServer((_request, response) => response.end('{}')).listen(0, '127.0.0.1');
    await once(app, 'listening');
    writeFileSync(join(folder, 'secret'), 'secret-of-the-bank');
    ports = [await freePort(), await freePort()];
    const tls = `tls: { cert: ${files.cert}, key: ${files.key} }`;
    home = makeHome(`
discovery: { enabled: false }
webhooks:
  host: 0.0.0.0
  port: ${ports[0]}
  ${tls}
  types: { bank: { secrets: [{ file: ${join(folder, 'secret')} }] } }
gateway:
  port: ${ports[1]}
  ${tls}
  upstreams: { app: { targets: ['http://127.0.0.1:${(app.address() as AddressInfo).port}'] } }
  routes: { all: { path: /, upstream: app, limits: { anonymous: -1 } } }
`);
    steward = await startSteward({ home });
  }, 120_000);
  afterAll(async () => {
    await steward?.stop();
    app?.closeAllConnections();
    app?.close();
    if (home) await removeHome(home);
    rmSync(folder, { recursive: true, force: true });
  });

  async function ask(port: number): Promise<{ readonly status: number | undefined; readonly cert: string }> {
    const ca = readFileSync(authority.rootFile, 'utf8');
    const options = { host: '127.0.0.1', port, servername: NAME, ca, agent: false, headers: { host: NAME } } as const;
    const [answer] = (await once(get(options), 'response')) as [IncomingMessage];
    const cert = (answer.socket as TLSSocket).getPeerX509Certificate()?.toString() ?? '';
    answer.resume();
    return { status: answer.statusCode, cert };
  }

  it('serve their certificate, also at a public address and to Steward itself', async () => {
    expect(await ask(ports[0])).toEqual({ status: 405, cert: first.cert });
    expect(await ask(ports[1])).toEqual({ status: 200, cert: first.cert });
    expect(await stewardJson(home, ['webhooks', 'send', 'bank'])).toMatchObject({
      status: 202,
      delivery: { type: 'bank' },
    });
  });

  it('say what is wrong with files that do not fit, go on with those before, and take new ones by themselves', async () => {
    const second = authority.issue(NAME);
    serve({ cert: second });
    const problemOf = async (system: string): Promise<string | undefined> =>
      (await stewardJson<{ problem?: string }>(home, [system, 'status'])).problem;
    for (const system of ['gateway', 'webhooks'])
      await eventually(
        `${system} says so`,
        async () =>
          (await problemOf(system))?.includes(`${system}.tls: the key in ${files.key} is not that of`) || undefined,
      );
    expect((await Promise.all(ports.map(ask))).map(({ cert }) => cert)).toEqual([first.cert, first.cert]);
    serve({ key: second });
    for (const port of ports)
      await eventually(
        `port ${port} serves the new one`,
        async () => (await ask(port)).cert === second.cert || undefined,
      );
    for (const system of ['gateway', 'webhooks'])
      await eventually(`${system} is well`, async () => (await problemOf(system)) === undefined || undefined);
  }, 120_000);
});
