import { expect, it } from 'vitest';
import { testDatabase } from '../testing/database.ts';
import { engineOn, operator, scratch } from '../testing/engine.ts';
import { startEngine } from '../testing/engine-process.ts';
import { engineMigrations } from './tables.ts';

it('an undo whose Steward is killed in the middle goes on where it was, and what was taken back stays so', async () => {
  const database = await testDatabase({ migrations: engineMigrations });
  const place = await scratch();
  const { databaseUrl } = database;
  // Never started: it only asks.
  const { service } = engineOn(database.store, { node: 'asker' }).engine;
  const input = { file: place.file, lines: ['a', 'b', 'c'], undoPauseMs: 700 };
  const undone = async () => (await place.lines()).filter((line) => line.startsWith('undo'));
  let steward = startEngine({ databaseUrl, node: 'crashing', start: input });
  try {
    expect(await steward.line()).toBe('ready');
    const id = await steward.line();
    await expect.poll(async () => (await service.get(id))?.status, { timeout: 20_000 }).toBe('succeeded');
    const undo = await service.undo(id, { actor: operator, trigger: 'cli' });
    expect(undo.node).toBe('crashing');
    await expect.poll(undone, { timeout: 20_000, interval: 10 }).toContain('undo b');
    await steward.kill('SIGKILL');
    expect((await service.get(undo.id))?.changes.map(({ status }) => status)).toEqual(['done', 'running', 'planned']);

    steward = startEngine({ databaseUrl, node: 'crashing' });
    expect(await steward.line()).toBe('ready');
    await expect.poll(async () => (await service.get(undo.id))?.status, { timeout: 30_000 }).toBe('succeeded');
    // The one in flight may happen twice; none that was finished does.
    expect(await undone()).toEqual(['undo c', 'undo b', 'undo b', 'undo a']);
    expect((await service.get(id))?.changes.map(({ status }) => status)).toEqual(['undone', 'undone', 'undone']);
    expect((await service.get(undo.id))?.changes.map(({ attempts }) => attempts)).toEqual([1, 2, 1]);
  } finally {
    await steward.kill('SIGKILL');
    await database.drop();
    await place.remove();
  }
}, 90_000);
