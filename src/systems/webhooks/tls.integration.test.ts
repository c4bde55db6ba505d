import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TLSSocket } from 'node:tls';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { memoryLog } from '../../testing/log.ts';
import { createAuthority, type Authority, type Issued } from '../../testing/world/authority.ts';
import type { TlsFiles } from '../listener-tls.ts';
import { openJournal } from './journal.ts';
import { createKeeper, type Keeper } from './keeper.ts';

const NAME = 'hooks.example.org';
const TIMES = {
  answerMs: 5_000,
  beginMs: 0,
  endMs: 2_000,
  refreshMs: 200,
  firstPauseMs: 50,
  longestPauseMs: 200,
  steadyMs: 0,
};

const folder = mkdtempSync(join(tmpdir(), 'stw-hooks-'));
const files: TlsFiles = { cert: join(folder, 'served.pem'), key: join(folder, 'served.key') };
let authority: Authority;
let keeper: Keeper;

beforeAll(async () => {
  authority = createAuthority(folder);
  const log = memoryLog();
  const journal = join(folder, 'journal');
  keeper = createKeeper({
    script: new URL('../../compose/webhooks-thread.ts', import.meta.url),
    folder: journal,
    journal: await openJournal({ folder: journal, onRead: () => undefined, onFreed: () => undefined, log }),
    settings: async () => ({
      types: {},
      place: { host: '127.0.0.1', port: 0, tls: files },
      trustedProxies: [],
      journalBytes: 1024 * 1024,
    }),
    onSettings: () => () => undefined,
    trouble: { tell: async () => undefined },
    log,
    times: TIMES,
  });
});
afterAll(async () => {
  await keeper?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function serve({ cert, key }: { cert?: Issued; key?: Issued }): void {
  if (cert) writeFileSync(files.cert, cert.cert + authority.intermediate);
  if (key) writeFileSync(files.key, key.key);
}

async function served(): Promise<readonly [status: number | undefined, cert: string | undefined]> {
  const { hostname, port } = new URL(keeper.url() ?? '');
  const ca = readFileSync(authority.rootFile, 'utf8');
  const options = { hostname, port, servername: NAME, ca, agent: false, headers: { host: NAME } } as const;
  const [answer] = (await once(get(options), 'response')) as [IncomingMessage];
  const cert = (answer.socket as TLSSocket).getPeerX509Certificate()?.toString();
  answer.resume();
  return [answer.statusCode, cert];
}

it('the receiver serves its certificate and the next one, and keeps the one before where the files are no pair', async () => {
  const [first, second] = [authority.issue(NAME), authority.issue(NAME)];
  serve({ cert: first, key: first });
  await keeper.start();
  expect(keeper.url()).toMatch(/^https:/);
  expect(await served()).toEqual([405, first.cert]);
  const until = (check: () => unknown): Promise<unknown> => vi.waitFor(check, { timeout: 15_000, interval: 50 });
  serve({ cert: second });
  await until(() => expect(keeper.problem()).toContain(`webhooks.tls: the key in ${files.key} is not that of`));
  expect(await served()).toEqual([405, first.cert]);
  serve({ key: second });
  await until(async () => expect(await served()).toEqual([405, second.cert]));
  await until(() => expect(keeper.problem()).toBeUndefined());
});
