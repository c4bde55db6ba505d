import { readFile, readdir } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Miniflare } from 'miniflare';
import { afterAll, beforeAll, describe } from 'vitest';
import type { Verdict } from './handlers/webhooks/receive.ts';
import { gatewayGuessesSuite } from './testing/gateway-guesses-suite.ts';
import { gatewaySuite } from './testing/gateway-suite.ts';
import type { Told } from './testing/gateway-story.ts';
import { gatewayTokensSuite } from './testing/gateway-tokens-suite.ts';
import type { Seen } from './handlers/probe/http.ts';
import { probeSuite } from './testing/probe-suite.ts';
import { webhookSuite } from './testing/webhook-suite.ts';

const HERE = import.meta.dirname;
const ENTRY = 'testing/worker.ts';

describe('what decides at the edge, in workerd', () => {
  let worker: Miniflare;

  beforeAll(async () => {
    worker = new Miniflare({ modules: await modules(), modulesRoot: HERE, compatibilityDate: '2026-07-01' });
    await worker.ready;
  });
  afterAll(() => worker.dispose());

  async function asked<T>(path: string, body: unknown): Promise<T> {
    const answer = await worker.dispatchFetch(`http://edge${path}`, { method: 'POST', body: JSON.stringify(body) });
    if (!answer.ok) throw new Error(await answer.text());
    return (await answer.json()) as T;
  }

  describe('the webhook receiver', () => {
    webhookSuite((cases) => asked<Verdict[]>('/', cases), 10_000);
  });

  describe('a look over HTTP', () => {
    probeSuite((cases) => asked<Seen[]>('/probe', cases), { tellsReasons: false });
  });

  describe('the gateway', () => {
    gatewaySuite((story) => asked<Told[]>('/gateway', story), 2_000);
    gatewayTokensSuite((story) => asked<Told[]>('/gateway', story), 10_000);
    gatewayGuessesSuite((story) => asked<Told[]>('/gateway', story));
  });
});

/** The handlers as they are: only their types are taken off, and jose stands where a bundler would put it. */
async function modules() {
  const handlers = (await files(join(HERE, 'handlers'), '.ts')).filter((path) => !path.endsWith('.test.ts'));
  const ours = [ENTRY, 'testing/case.ts', 'testing/gateway-story.ts', ...handlers.map((path) => relative(HERE, path))];
  const jose = dirname(fileURLToPath(import.meta.resolve('jose')));
  const library = await files(jose, '.js');
  const loaded = await Promise.all([
    ...ours.map(async (path) => module(join(HERE, path), stripTypeScriptTypes(await text(join(HERE, path))))),
    ...library.map(async (path) => module(join(HERE, 'jose', relative(jose, path)), await text(path))),
  ]);
  return [...loaded, module(join(HERE, 'handlers/gateway/jose'), "export * from '../../jose/index.js';")];
}

function module(path: string, contents: string) {
  return { type: 'ESModule' as const, path, contents };
}

async function files(folder: string, ending: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map(({ parentPath, name }) => join(parentPath, name));
}

function text(path: string): Promise<string> {
  return readFile(path, 'utf8');
}
