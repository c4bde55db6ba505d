import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { chmod, copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, hasProgram, type RunningProgram, startProgram } from '../src/testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../src/testing/world/temp-folder.ts';
import { type Api, apiOf, type EventLog, followEvents } from './kit/api.ts';
import { withDatabase } from './kit/database.ts';
import { strike } from './kit/heals.ts';
import {
  eventually,
  isAlive,
  makeHome,
  removeHome,
  type RunningSteward,
  startSteward,
  steward,
  stewardJson,
} from './kit/steward.ts';

const isRoot = process.getuid?.() === 0;
const hasRedis = hasProgram('redis-server');
const NOBODY = 65_534;
const secret = (name: string): string => `${name}-${randomBytes(12).toString('hex')}`;

/** What the service says of itself. */
interface Told {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly pid: number;
  readonly cwd: string;
  readonly uid: number;
  readonly groups: readonly number[];
}

describe('a bare process whose owner asked for restart: process', () => {
  const inArgument = secret('argument');
  const kept = secret('kept "$HOME" `x` \\ ');
  const notKept = secret('private');
  const started: RunningProgram[] = [];
  let ports: { app: number; cache: number; vexed: number };
  let folder: TempFolder;
  let home: string;
  let serving: RunningSteward;
  let api: Api;
  let log: EventLog;

  const told = async (): Promise<Told> => (await (await fetch(`http://127.0.0.1:${ports.app}/secrets`)).json()) as Told;
  const start = async (options: Parameters<typeof startProgram>[0]): Promise<void> =>
    void started.push(await startProgram(options));
  const show = (name: string): Promise<Record<string, unknown>> => api.get(`services/${name}`);

  beforeAll(async () => {
    folder = await tempFolder('stw-app');
    await chmod(folder.path, 0o755);
    const script = join(folder.path, 'confidant.mjs');
    await copyFile(join(import.meta.dirname, 'fixtures/machine/confidant.mjs'), script);
    ports = { app: await freePort(), cache: await freePort(), vexed: await freePort() };
    await start({
      program: process.execPath,
      args: ['confidant.mjs', String(ports.app), '--db-password', inArgument],
      cwd: folder.path,
      env: { API_TOKEN: kept, GREETING: 'hello', PRIVATE: notKept },
      ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
      ready: { port: ports.app },
    });
    for (const port of hasRedis ? [ports.cache, ports.vexed] : []) {
      await start({
        program: 'redis-server',
        args: ['--port', String(port), '--bind', '127.0.0.1', '--save', ''],
        cwd: folder.path,
        ready: { port },
      });
    }
    home = makeHome(`monitoring: { every: 1s, timeout: 2s, flap: { high: 60, low: 30 } }
healing: { loop: 1s, soak: 3s, backoff: 1s }
services:
  - name: confidant
    match: { port: ${ports.app} }
    restart: process
    environment: { keep: [API_TOKEN, GREETING, NOT_SET] }
  - name: cache
    match: { port: ${ports.cache} }
    restart: process
    launch: { argv: [/usr/bin/redis-server, --port, '${ports.cache}', --bind, 127.0.0.1, --save, ''], cwd: ${folder.path} }
  - { name: vexed, match: { port: ${ports.vexed} }, restart: process }
`);
    serving = await startSteward({ home, env: { STEWARD_LOG_LEVEL: 'debug' } });
    const create = ['token', 'create', '--role', 'admin', '--name', 'test'];
    const { token } = await stewardJson<{ token: string }>(home, create);
    api = apiOf(serving.url, token);
    log = await followEvents(serving.url, token);
    await eventually('it is up', async () => (await api.service('confidant')).state === 'up' || undefined, 60_000);
  }, 120_000);

  afterAll(async () => {
    log?.stop();
    const last = await told().catch(() => undefined);
    const cache = hasRedis && api ? await show('cache').catch(() => undefined) : undefined;
    await serving?.stop();
    for (const pid of [last?.pid, ...((cache?.['pids'] as number[] | undefined) ?? [])])
      if (pid) process.kill(pid, 'SIGKILL');
    for (const one of started) await one.stop();
    if (home) await removeHome(home);
    await folder?.remove();
  }, 60_000);

  it('shows that a recipe is kept, of what start, and of the variables the names', async () => {
    const { recipe } = await show('confidant');
    expect(recipe).toMatchObject({
      origin: 'captured',
      arguments: [expect.any(String), 'confidant.mjs', String(ports.app), '--db-password', '[redacted]'],
      folder: folder.path,
      variables: ['API_TOKEN', 'GREETING'],
      missing: ['NOT_SET'],
    });
    const { stdout } = await steward(home, ['service', 'confidant']);
    expect(stdout).toMatch(/API_TOKEN/);
    expect(stdout).not.toContain(inArgument);
  });

  it(
    'starts it again as the same user in the same folder, with its secrets and nothing that was not consented to',
    { timeout: 90_000 },
    async () => {
      const before = await told();
      const { incident } = await strike({ api, log }, 'confidant', async () => process.kill(before.pid, 'SIGKILL'));
      const after = await told();

      expect(incident.status).toBe('resolved');
      expect(after.pid).not.toBe(before.pid);
      expect(after).toMatchObject({ argv: before.argv, cwd: folder.path, uid: before.uid });
      expect(after.argv).toContain(inArgument);
      expect(after.env).toEqual({ API_TOKEN: kept, GREETING: 'hello' });

      const { id } = await api.service('confidant');
      const output = join(home, 'launched', `${id}.log`);
      expect(statSync(output).mode & 0o777).toBe(0o600);
      expect(statSync(join(home, 'launched')).mode & 0o777).toBe(0o700);
      expect(statSync(join(home, 'vault.key')).mode & 0o777).toBe(0o600);
    },
  );

  it.skipIf(!hasRedis)(
    'starts what calls itself something else as the configuration says',
    { timeout: 90_000 },
    async () => {
      const [pid = 0] = (await show('cache'))['pids'] as number[];
      const { incident } = await strike({ api, log }, 'cache', async () => process.kill(pid, 'SIGKILL'));
      expect(incident.status).toBe('resolved');
      await api.scan();
      expect(await show('cache')).toMatchObject({ state: 'up', recipe: { origin: 'configured' } });
      expect((await show('cache'))['pids']).not.toContain(pid);
    },
  );

  it.skipIf(!hasRedis)(
    'says why it cannot start what calls itself something else, and what to do',
    { timeout: 90_000 },
    async () => {
      const { pids, recipeMissing } = await show('vexed');
      expect(recipeMissing).toMatch(/title over its arguments/);
      const { incident } = await strike(
        { api, log },
        'vexed',
        async () => process.kill((pids as number[])[0] ?? 0, 'SIGKILL'),
        { endsWith: 'incident.escalated' },
      );
      expect(JSON.stringify(incident.timeline)).toMatch(/launch: \{ argv/);
    },
  );

  it('leaves no secret in any table, nor in the log', { timeout: 60_000 }, async () => {
    // Their random part, however the rest of them may be written in there.
    const secrets = [inArgument, kept, notKept].map((text) => text.slice(-24));
    const searched = await withDatabase(home, async (client) => {
      const { rows } = await client.query<{ name: string }>(
        `select format('%I.%I', table_schema, table_name) as name from information_schema.tables
         where table_type = 'BASE TABLE' and table_schema not in ('information_schema', 'pg_catalog')`,
      );
      for (const { name } of rows) {
        for (const text of secrets) {
          const found = await client.query(`select 1 from ${name} as row where strpos(row::text, $1) > 0`, [text]);
          expect(found.rowCount, `${name} holds ${text}`).toBe(0);
        }
        const names = await client.query(`select 1 from ${name} as row where strpos(row::text, 'PRIVATE=') > 0`);
        expect(names.rowCount, name).toBe(0);
      }
      return rows.map(({ name }) => name);
    });
    expect(searched).toEqual(expect.arrayContaining(['public.launch_recipes', 'public.resources', 'public.events']));
    for (const text of secrets) expect(serving.output()).not.toContain(text);
    for (const text of secrets) expect(filesWith(home, text)).toEqual([]);
  });

  it('outlives the Steward that started it', { timeout: 60_000 }, async () => {
    const { pid } = await told();
    await serving.kill();
    expect(isAlive(pid)).toBe(true);
    expect((await told()).pid).toBe(pid);
    serving = await startSteward({ home, port: Number(new URL(serving.url).port) });
  });
});

/** Every file below, the database's own included, that holds the text as it is. */
function filesWith(folder: string, text: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => {
      try {
        return readFileSync(path).includes(text);
      } catch {
        return false;
      }
    });
}
