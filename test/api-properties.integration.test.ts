import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';
import { compose, MIGRATIONS } from '../src/compose.ts';
import { readEnvironment } from '../src/config/environment.ts';
import { Config } from '../src/config/schema.ts';
import { testDatabase } from '../src/testing/database.ts';
import { memoryLog } from '../src/testing/log.ts';
import { describeApiProperties } from './api-properties.ts';

const database = await testDatabase({ migrations: MIGRATIONS });
const home = await mkdtemp(join(tmpdir(), 'steward-properties-'));
const parsed = Config.parse({});
const server = { ...parsed.server, port: 0, requestsPerMinute: 10_000_000 };
const config = { ...parsed, server };
const log = memoryLog();
const composition = compose({
  version: '0.0.0-test',
  node: { id: 'nod_test', name: 'n1' },
  home,
  environment: readEnvironment(),
  config: {
    current: () => ({ config, file: '', source: 'defaults', written: {}, origins: new Map() }),
    rejected: () => undefined,
    subscribe: () => () => undefined,
  },
  store: database.store,
  auditKey: randomBytes(32),
  vaultKey: randomBytes(32),
  osUser: 'ada',
  ownPids: () => [],
  page: [],
  log,
  now: () => new Date(),
});
// Nothing else starts: what is asked here is the surface, and no made-up input may reach the machine.
await composition.identity.start();
const { app } = composition.rest;
await app.ready();

afterAll(async () => {
  await composition.rest.close();
  await composition.identity.stop();
  await composition.audit.stop();
  await database.drop();
  await rm(home, { recursive: true });
});

const admin = (await readFile(join(home, 'cli-token'), 'utf8')).trim();
const tokenOf = async (role: string): Promise<string> => {
  const response = await app.inject({
    method: 'POST',
    url: '/api/v1/create-token',
    headers: { authorization: `Bearer ${admin}` },
    payload: { name: role, role },
  });
  return response.json<{ token: string }>().token;
};

describeApiProperties(
  'every operation of Steward',
  async () => ({
    app,
    catalog: composition.catalog,
    tokens: [admin, admin, await tokenOf('viewer'), await tokenOf('agent')],
    runs: async () => (await composition.engine.service.list({ limit: 500 })).items.length,
  }),
  async () => composition.catalog,
);
