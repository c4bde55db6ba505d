import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVault } from '../../adapters/vault/index.ts';
import type { ConfiguredService } from '../../core/inventory-writer.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import type { SightedRecipe } from '../../core/recipe-keeper.ts';
import { type TestDatabase, testDatabase } from '../../testing/database.ts';
import { type FakeProcesses, fakeProcesses } from '../../testing/fakes/fake-processes.ts';
import { inventoryMigrations } from '../inventory/tables.ts';
import type { RecipesDeps } from './deps.ts';
import { createRecipes } from './index.ts';
import { recipesMigrations } from './tables.ts';

const ID = 'svc_app';
const ARGV = ['/usr/bin/node', 'app.js', '--db-password', 'hunter2secret', '--greeting', 'swordfish'];
const SHOWN = ['/usr/bin/node', 'app.js', '--db-password', '[redacted]', '--greeting', '[redacted]'];
const ENV = { GREETING_TOKEN: 'swordfish', MODE: 'fast', NOT_ASKED: 'mackerel' };
const WHERE = { executable: '/usr/bin/node', cwd: '/srv/app', uid: 1000 };

let database: TestDatabase;
let processes: FakeProcesses;
let service: ConfiguredService;
let key: Buffer;

beforeEach(async () => {
  database = await testDatabase({ migrations: [...inventoryMigrations, ...recipesMigrations] });
  processes = fakeProcesses();
  key = randomBytes(32);
  service = {
    name: 'app',
    critical: false,
    labels: {},
    dependsOn: [],
    checks: [],
    restart: 'process',
    keep: ['GREETING_TOKEN', 'MODE', 'ABSENT'],
  };
  await database.store.pool.query(
    `insert into resources values ('${ID}', 'service', 'process:app', 'node_a', 'app', 'node-app', false, 'adopted', 'configured', 'present', '{}', '{}', 0, null, now(), now(), null)`,
  );
});
afterEach(() => database.drop());

const recipes = (more: Partial<RecipesDeps> = {}) =>
  createRecipes({
    store: database.store,
    vault: createVault({ key }),
    keyFile: '/home/vault.key',
    processes,
    written: ({ argv, cwd = '/' }, seen) =>
      seen
        ? { recipe: { argv: [...argv], executable: argv[0] ?? '', cwd, uid: seen.uid, gid: seen.gid } }
        : { problem: 'Nobody knows as whom.' },
    configured: () => [service],
    node: { id: 'node_a' },
    now: () => new Date(),
    ...more,
  });

const startApp = (argv = ARGV, env: Record<string, string> = ENV): ProcessInfo => {
  const info = processes.start(argv, WHERE);
  processes.give(info.pid, env);
  return info;
};

/** One scan: sighted, and settled where the inventory takes it for a process. */
async function scan(process: ProcessInfo | undefined, { keeper } = recipes()): Promise<SightedRecipe | undefined> {
  const sighted = await keeper.sight(service, { process, resourceId: ID });
  const held = (sighted?.supervisor.kind ?? 'process') === 'process';
  await keeper.settle(held ? [{ resourceId: ID, service, sighted }] : []);
  return sighted;
}

const stored = async (): Promise<string> =>
  JSON.stringify((await database.store.pool.query('select * from launch_recipes')).rows);

describe('recipes of bare processes', () => {
  it('are kept sealed, shown without secrets, and started whole', async () => {
    const process = startApp();
    const sighted = await scan(process);

    expect(sighted?.supervisor).toEqual({ kind: 'process', recipe: { argv: SHOWN, ...WHERE, gid: 1000 } });
    expect(JSON.stringify(sighted) + (await stored())).not.toMatch(/hunter2secret|swordfish|mackerel|fast/);
    expect(await recipes().port.kept(ID)).toMatchObject({
      origin: 'captured',
      startedAt: process.startedAt,
      variables: ['GREETING_TOKEN', 'MODE'],
      missing: ['ABSENT'],
      problem: undefined,
    });

    processes.end(process.pid);
    expect(await recipes().port.running(ID)).toEqual([]);
    await recipes().port.launch(ID);
    expect(processes.launches).toMatchObject([
      { recipe: { argv: ARGV }, env: { GREETING_TOKEN: 'swordfish', MODE: 'fast' }, outputPath: `${ID}.log` },
    ]);
    expect(processes.launches[0]?.env).not.toHaveProperty('NOT_ASKED');
    expect(await recipes().port.running(ID)).toMatchObject([{ pid: processes.launches[0]?.identity.pid }]);
  });

  it('tell two apart that differ only in a secret', async () => {
    const process = startApp();
    startApp([...ARGV.slice(0, 3), 'another secret', ...ARGV.slice(4)]);
    await scan(process);

    expect((await recipes().port.running(ID)).map(({ pid }) => pid)).toEqual([process.pid]);
  });

  it('are captured anew from another start, and only from another start', async () => {
    const first = startApp();
    await scan(first);
    const before = await recipes().port.kept(ID);
    processes.give(first.pid, { MODE: 'changed in the test, not by the process' });
    await scan(first);
    expect((await recipes().port.kept(ID))?.fingerprint).toBe(before?.fingerprint);

    processes.end(first.pid);
    await scan(undefined);
    expect((await recipes().port.kept(ID))?.fingerprint).toBe(before?.fingerprint);
    await scan(startApp([...ARGV, '--more'], { MODE: 'slow' }));

    const after = await recipes().port.kept(ID);
    expect(after).toMatchObject({ variables: ['MODE'], missing: ['GREETING_TOKEN', 'ABSENT'] });
    expect(after?.shown.argv).toContain('--more');
    expect(after?.fingerprint).not.toBe(before?.fingerprint);
  });

  it('lose a variable, and everything, as soon as the consent is taken back, also while nothing runs', async () => {
    const process = startApp();
    await scan(process);
    processes.end(process.pid);
    service = { ...service, keep: ['MODE'] };
    await recipes().port.launch(ID);
    expect(processes.launches[0]?.env).toEqual({ MODE: 'fast' });

    await scan(undefined);
    expect((await recipes().port.kept(ID))?.variables).toEqual(['MODE']);
    service = { ...service, keep: ['MODE', 'GREETING_TOKEN'] };
    await recipes().port.launch(ID);
    expect(processes.launches[1]?.env).toEqual({ MODE: 'fast' });

    service = { ...service, restart: 'auto' };
    await expect(recipes().port.launch(ID)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    await recipes().keeper.settle([]);
    expect(await stored()).toBe('[]');
  });

  it('are read again where one more variable may be kept', async () => {
    const process = startApp();
    await scan(process);
    service = { ...service, keep: ['MODE', 'NOT_ASKED'] };
    await scan(process);
    expect((await recipes().port.kept(ID))?.variables).toEqual(['MODE', 'NOT_ASKED']);
  });

  it('say that the key is lost and what to do, and are sealed anew from what runs', async () => {
    const process = startApp();
    await scan(process);
    key = randomBytes(32);

    const { problem } = (await recipes().port.kept(ID)) ?? {};
    expect(problem).toMatchObject({
      message: expect.stringMatching(/sealed with the key \w+, and \/home\/vault.key holds \w+/),
      hint: expect.stringContaining('back from a backup'),
    });
    await expect(recipes().port.launch(ID)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED', ...problem });
    expect(processes.launches).toEqual([]);
    // What was seen running can still be ended.
    expect(await recipes().port.running(ID)).toMatchObject([{ pid: process.pid }]);

    await scan(process);
    expect((await recipes().port.kept(ID))?.problem).toBeUndefined();
  });

  it('are not used where somebody altered them in the database', async () => {
    const process = startApp();
    await scan(process);
    processes.end(process.pid);
    const { pool } = database.store;
    await pool.query(`update launch_recipes set shown = jsonb_set(shown, '{argv}', '["/bin/evil"]')`);
    await recipes().port.launch(ID);
    expect(processes.launches[0]?.recipe.argv).toEqual(ARGV);

    await pool.query(`update launch_recipes set sealed = overlay(sealed placing 'AAAA' from 60)`);
    await expect(recipes().port.launch(ID)).rejects.toThrow('altered in the database');
  });

  it('belong to their own node', async () => {
    const process = startApp();
    await scan(process);
    const other = recipes({ node: { id: 'node_b' }, vault: createVault({ key: randomBytes(32) }) });

    expect(await other.port.kept(ID)).toMatchObject({ problem: undefined });
    await expect(other.port.launch(ID)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
    await other.keeper.settle([]);
    expect(await recipes().port.kept(ID)).toBeDefined();
  });
});

describe('a program that writes a title over its arguments', () => {
  const titled = (): ProcessInfo => {
    const info = startApp(['app: master process']);
    processes.overwrite(info.pid);
    return info;
  };

  it('has no recipe, and says why and what to do', async () => {
    expect(await scan(titled())).toMatchObject({
      supervisor: { kind: 'none', reason: expect.stringMatching(/title over its arguments.*launch: \{ argv/) },
    });
    expect(await stored()).toBe('[]');
  });

  it('keeps what was seen before it did so, and what Steward itself started', async () => {
    const process = startApp();
    await scan(process);
    processes.overwrite(process.pid);
    service = { ...service, keep: ['MODE'] };
    await scan(process);
    expect((await recipes().port.kept(ID))?.variables).toEqual(['MODE']);

    processes.end(process.pid);
    const { pid } = await recipes().port.launch(ID);
    processes.overwrite(pid);
    expect(await scan(await processes.get(pid))).toMatchObject({ supervisor: { kind: 'process' } });
    processes.end(pid);
    expect(await scan(titled())).toMatchObject({ supervisor: { kind: 'none' } });
  });

  it('is started as the configuration says, as whom it was seen, with what it was given', async () => {
    service = { ...service, launch: { argv: ['/usr/sbin/app', '--foreground'], cwd: '/srv' } };
    expect(await scan(undefined)).toEqual({
      supervisor: { kind: 'none', reason: 'Nobody knows as whom. Correct it in steward.yaml.' },
    });
    const process = titled();
    expect(await scan(process)).toMatchObject({ supervisor: { kind: 'process', origin: 'configured' } });
    expect(await recipes().port.running(ID)).toMatchObject([{ pid: process.pid }]);

    processes.end(process.pid);
    expect(await scan(undefined)).toMatchObject({ supervisor: { kind: 'process' } });
    const { pid } = await recipes().port.launch(ID);
    expect(processes.launches).toMatchObject([
      {
        recipe: { argv: ['/usr/sbin/app', '--foreground'], cwd: '/srv', uid: 1000 },
        env: { MODE: 'fast', GREETING_TOKEN: 'swordfish' },
      },
    ]);
    processes.overwrite(pid);
    expect(await recipes().port.running(ID)).toMatchObject([{ pid }]);
  });
});
