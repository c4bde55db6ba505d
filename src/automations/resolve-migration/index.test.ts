import { describe, expect, it } from 'vitest';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import resolveMigration from './index.ts';

function world() {
  let ticks = Date.parse('2026-03-01T05:00:00Z');
  const now = (): Date => new Date((ticks += 10));
  const ports = fakePorts({ now });
  ports.migrations.addSet({ name: 'shop' });
  for (const version of ['0001', '0002', '0003']) ports.migrations.write(`${version}_x.sql`, `select ${version}`);
  ports.migrations.apply('0001');
  const run = (input: object) =>
    performInMemory(resolveMigration, { ports, now, input: { name: 'shop', ...input } as never });
  const states = () => ports.migrations.rows().map(({ version, run: by }) => [version, by]);
  return { ports, run, states };
}

describe('resolve-migration', () => {
  it('marks one, or all up to one, and leaves what is applied already as it is', async () => {
    const { run, states } = world();
    expect((await run({ migration: '3', as: 'applied', through: true })).output?.marked).toEqual([
      { version: '0002', as: 'applied' },
      { version: '0003', as: 'applied' },
    ]);
    expect(states()).toEqual([
      ['0001', 'run_before'],
      ['0002', 'run_memory'],
      ['0003', 'run_memory'],
    ]);
    expect((await run({ migration: '0003', as: 'pending' })).status).toBe('succeeded');
    expect(states()).toHaveLength(2);
  });

  it('takes a file as it is now, and keeps when it was applied', async () => {
    const { ports, run } = world();
    const [before] = ports.migrations.rows();
    ports.migrations.write('0001_x.sql', 'select 1 -- with a word on it');
    expect((await run({ migration: '0001', as: 'changed' })).status).toBe('succeeded');
    const [after] = ports.migrations.rows();
    expect([after?.appliedAt, after?.run]).toEqual([before?.appliedAt, 'run_before']);
    expect(after?.checksum).not.toBe(before?.checksum);
  });

  it('forgets what has no file any more, and nothing else can be said of that', async () => {
    const { ports, run, states } = world();
    ports.migrations.write('0001_x.sql', '');
    expect((await run({ migration: '0001', as: 'applied' })).error?.message).toContain('can only be forgotten');
    expect((await run({ migration: '0001', as: 'pending' })).status).toBe('succeeded');
    expect(states()).toEqual([]);
  });

  it('says what is wrong with what it is asked', async () => {
    const { ports, run } = world();
    expect((await run({ migration: '0009', as: 'applied' })).error).toMatchObject({ code: 'NOT_FOUND' });
    expect((await run({ migration: '0002', as: 'changed' })).error).toMatchObject({ code: 'PRECONDITION_FAILED' });
    expect((await run({ migration: '0002', as: 'pending', through: true })).error).toMatchObject({
      code: 'INPUT_INVALID',
    });
    ports.migrations.lockedBy('psql (backend 3)');
    expect((await run({ migration: '0002', as: 'applied' })).error).toMatchObject({ code: 'LOCKED' });
  });
});
