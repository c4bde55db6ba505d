import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemActor } from '../core/actor.ts';
import type { HostSample } from '../core/ports/host.ts';
import type { Trigger } from '../core/actor.ts';
import { testDatabase, type TestDatabase } from '../testing/database.ts';
import { countLines, engineOn, type EngineFixture, operator } from '../testing/engine.ts';
import { engineMigrations } from './tables.ts';

const GB = 1024 ** 3;
const machine: { -readonly [Key in keyof HostSample]: HostSample[Key] } = {
  cpuPercent: 97,
  load1: 9,
  cores: 2,
  memoryTotalBytes: 8 * GB,
  memoryAvailableBytes: 4 * GB,
  disks: [],
  uptimeSeconds: 1,
};
let database: TestDatabase;
let fixture: EngineFixture;

beforeAll(async () => {
  database = await testDatabase({ migrations: engineMigrations });
  fixture = engineOn(database.store, {
    automations: [countLines, { ...countLines, name: 'compress', load: 'cpu' }],
    host: { sample: async () => machine },
  });
  await fixture.engine.start();
}, 60_000);
afterAll(async () => {
  await fixture?.engine.stop();
  await database?.drop();
});

const start = async (automation: string, trigger: Trigger = 'cli'): Promise<string> =>
  (
    await fixture.engine.service.start({
      automation,
      input: { file: `/nonexistent/${trigger}` },
      trigger,
      actor: trigger === 'healing' ? systemActor('healing') : operator,
    })
  ).id;
const ends = async (id: string): Promise<string> =>
  (await fixture.engine.service.wait(id, { timeoutMs: 20_000 })).status;

describe('heavy work on a machine that is busy', () => {
  it('waits and says why, while light work and healing go on, and begins when the machine is calm', async () => {
    const heavy = await start('compress');
    await expect
      .poll(async () => (await fixture.engine.service.get(heavy))?.progress?.message, { timeout: 10_000 })
      .toBe('Waits at most 5m: the CPU is 97 % busy, and heavy work begins below 80 %.');
    expect(await ends(await start('count-lines'))).toBe('succeeded');
    expect(await ends(await start('compress', 'healing'))).toBe('succeeded');
    expect(await fixture.engine.service.get(heavy)).toMatchObject({ status: 'queued' });
    expect(fixture.log.lines.filter(({ message }) => message === 'heavy work waits for the machine')).toHaveLength(1);

    machine.cpuPercent = 20;
    expect(await ends(heavy)).toBe('succeeded');
    expect((await fixture.engine.service.get(heavy))?.progress).toBeUndefined();
  }, 60_000);

  it('can be canceled while it waits', async () => {
    machine.cpuPercent = 97;
    const heavy = await start('compress', 'dashboard');
    await expect
      .poll(async () => (await fixture.engine.service.get(heavy))?.progress?.message, { timeout: 10_000 })
      .toContain('Waits at most');
    await fixture.engine.service.cancel(heavy, { actor: operator, reason: 'not now' });
    expect(await ends(heavy)).toBe('canceled');
    machine.cpuPercent = 20;
    expect(await ends(await start('compress', 'api'))).toBe('succeeded');
  }, 60_000);
});
