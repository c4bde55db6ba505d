import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFinal, type Run } from '../core/run.ts';
import { bundledUrl, ensurePostgres } from '../store/bundled-postgres.ts';
import { stopPostmaster } from '../store/pg-process.ts';
import { openStore } from '../store/store.ts';
import { type TestDatabase, testDatabase } from '../testing/database.ts';
import { type EngineOptions, type EngineProcess, startEngine } from '../testing/engine-process.ts';
import { memoryLog } from '../testing/log.ts';
import { scratch } from '../testing/engine.ts';
import { createRuns, type Runs } from './runs.ts';
import { engineMigrations } from './tables.ts';

describe('a Steward that is killed', () => {
  let database: TestDatabase;
  let runs: Runs;
  let place: Awaited<ReturnType<typeof scratch>>;
  const alive: EngineProcess[] = [];
  const born = (options: EngineOptions): EngineProcess => {
    const one = startEngine(options);
    alive.push(one);
    return one;
  };
  const ended = async (id: string): Promise<Run | undefined> => {
    await expect
      .poll(async () => isFinal((await runs.get(id))?.status ?? 'queued'), { timeout: 45_000, interval: 100 })
      .toBe(true);
    return await runs.get(id);
  };

  beforeAll(async () => {
    database = await testDatabase({ migrations: engineMigrations });
    runs = createRuns({ store: database.store, now: () => new Date(), nodeId: 'test' });
  }, 60_000);
  afterAll(async () => {
    for (const one of alive) if (one.child.exitCode === null) await one.kill('SIGKILL');
    await database?.drop();
  });

  const letters = ['a', 'b', 'c', 'd', 'e', 'f'];

  it('again and again executes no finished change twice, and the one in flight at most once more a kill', async () => {
    place = await scratch();
    const { databaseUrl } = database;
    let current = born({ databaseUrl, node: 'chaos', start: { file: place.file, lines: letters, pauseMs: 200 } });
    expect(await current.line()).toBe('ready');
    const id = await current.line();
    let kills = 0;
    // In the middle of b, right after c, and in the middle of e.
    for (const instant of ['begin b', 'end c', 'begin e']) {
      await expect
        .poll(async () => (await place.lines()).some((line) => line.startsWith(instant)), {
          timeout: 30_000,
          interval: 5,
        })
        .toBe(true);
      await current.kill('SIGKILL');
      kills += 1;
      current = born({ databaseUrl, node: 'chaos' });
      expect(await current.line()).toBe('ready');
    }
    const run = await ended(id);
    expect(run).toMatchObject({ status: 'succeeded', output: { written: 6 } });
    const lines = await place.lines();
    expect(lines.filter((line) => line.startsWith('begin')).length).toBeLessThanOrEqual(letters.length + kills);
    expect(lines.filter((line) => line.startsWith('begin a'))).toEqual(['begin a 1']);
    expect(lines.filter((line) => line.startsWith('begin b'))).toEqual(['begin b 1', 'begin b 2']);
    expect(lines.filter((line) => line.startsWith('end b'))).toEqual(['end b 2']);
    const order = lines.filter((line) => line.startsWith('end')).map((line) => line.split(' ')[1]);
    expect([...new Set(order)]).toEqual(letters);
    expect(order.toSorted()).toEqual(order);
    expect(await current.kill('SIGTERM')).toBe(0);
    await place.remove();
  }, 120_000);

  it('in its rollback goes on taking back', async () => {
    place = await scratch();
    const { databaseUrl } = database;
    const first = born({
      databaseUrl,
      node: 'back',
      start: { file: place.file, lines: ['a', 'b', 'c'], pauseMs: 100, failAt: 'c', undoPauseMs: 300 },
    });
    await first.line();
    const id = await first.line();
    await expect
      .poll(async () => (await place.lines()).includes('undo b'), { timeout: 30_000, interval: 5 })
      .toBe(true);
    await first.kill('SIGKILL');
    const second = born({ databaseUrl, node: 'back' });
    await second.line();
    expect(await ended(id)).toMatchObject({ status: 'rolled-back', error: { message: 'cannot append c' } });
    const undone = (await place.lines()).filter((line) => line.startsWith('undo'));
    expect(undone[0]).toBe('undo c half');
    expect(undone.at(-1)).toBe('undo a');
    expect(undone.filter((line) => line === 'undo c half')).toHaveLength(1);
    await second.kill('SIGTERM');
    await place.remove();
  }, 90_000);

  it('and comes back with another version of the automation takes back what it did, and plans again', async () => {
    place = await scratch();
    const { databaseUrl } = database;
    const first = born({ databaseUrl, node: 'newer', start: { file: place.file, lines: ['a', 'b'], pauseMs: 300 } });
    await first.line();
    const id = await first.line();
    await expect
      .poll(async () => (await place.lines()).some((line) => line.startsWith('begin b')), {
        timeout: 30_000,
        interval: 5,
      })
      .toBe(true);
    await first.kill('SIGKILL');
    const second = born({ databaseUrl, node: 'newer', version: 2 });
    await second.line();
    expect(await ended(id)).toMatchObject({
      status: 'rolled-back',
      error: { code: 'PLAN_STALE', message: expect.stringContaining('from version 1 to 2') },
    });
    await expect
      .poll(
        async () =>
          (await runs.list({ automation: 'append-lines' })).items.find(({ causation }) => causation.runId === id)
            ?.status,
        { timeout: 20_000 },
      )
      .toBe('succeeded');
    expect(
      (await runs.list({ automation: 'append-lines' })).items.find(({ causation }) => causation.runId === id)?.version,
    ).toBe(2);
    await second.kill('SIGTERM');
    await place.remove();
  }, 90_000);

  it('and is only stopped leaves its run for later, without calling it failed', async () => {
    place = await scratch();
    const { databaseUrl } = database;
    const first = born({
      databaseUrl,
      node: 'stopped',
      start: { file: place.file, lines: ['a', 'b'], pauseMs: 4_000 },
    });
    await first.line();
    const id = await first.line();
    await expect
      .poll(async () => (await place.lines()).some((line) => line.startsWith('begin b')), {
        timeout: 30_000,
        interval: 5,
      })
      .toBe(true);
    expect(await first.kill('SIGTERM')).toBe(0);
    expect(await runs.get(id)).toMatchObject({ status: 'running' });
    const second = born({ databaseUrl, node: 'stopped' });
    await second.line();
    const run = await ended(id);
    expect(run).toMatchObject({ status: 'succeeded' });
    expect(run?.changes.map(({ attempts }) => attempts)).toEqual([1, 2]);
    expect((await place.lines()).filter((line) => line.startsWith('end a'))).toHaveLength(1);
    await second.kill('SIGTERM');
    await place.remove();
  }, 90_000);

  it('two that start at once on an empty database both come up', async () => {
    const empty = await testDatabase();
    const both = [
      born({ databaseUrl: empty.databaseUrl, node: 'left' }),
      born({ databaseUrl: empty.databaseUrl, node: 'right' }),
    ];
    expect(await Promise.all(both.map((one) => one.line()))).toEqual(['ready', 'ready']);
    expect(await Promise.all(both.map((one) => one.kill('SIGTERM')))).toEqual([0, 0]);
    await empty.drop();
  }, 60_000);

  it('and loses its database in the middle of a run waits, and goes on where it was', async () => {
    place = await scratch();
    const home = await mkdtemp(join(tmpdir(), 'steward-outage-'));
    await chmod(home, 0o755);
    const account = process.getuid?.() === 0 ? { name: 'nobody', uid: 65_534, gid: 65_534 } : undefined;
    const options = { home, log: memoryLog(), notify: () => undefined, account };
    await mkdir(join(home, 'pg'));
    const server = await ensurePostgres(options);
    const one = born({
      databaseUrl: bundledUrl(server),
      node: 'outage',
      start: { file: place.file, lines: ['a', 'b', 'c'], pauseMs: 500 },
    });
    await one.line();
    const id = await one.line();
    await expect
      .poll(async () => (await place.lines()).includes('begin b 1'), { timeout: 30_000, interval: 5 })
      .toBe(true);
    await stopPostmaster(server.pid, 10_000);
    await sleep(8_000);
    expect(one.child.exitCode).toBeNull();
    const back = await ensurePostgres(options);
    const store = await openStore({
      home: '/nonexistent',
      databaseUrl: bundledUrl(back),
      migrations: engineMigrations,
      stewardVersion: '0.0.0-test',
      log: memoryLog(),
      now: () => new Date(),
    });
    const there = createRuns({ store, now: () => new Date(), nodeId: 'test' });
    await expect.poll(async () => (await there.get(id))?.status, { timeout: 45_000 }).toBe('succeeded');
    expect(await place.lines()).toEqual(['begin a 1', 'end a 1', 'begin b 1', 'end b 1', 'begin c 1', 'end c 1']);
    expect(await one.kill('SIGTERM')).toBe(0);
    expect(one.errors()).toBe('');
    await store.close();
    await stopPostmaster(back.pid, 10_000);
    await rm(home, { recursive: true, force: true });
    await place.remove();
  }, 120_000);
});
