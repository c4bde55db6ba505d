import { describe, expect, it } from 'vitest';
import { SqliteSource } from '../../core/backup/source.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import openSandbox from './index.ts';

const NEVER = new AbortController().signal;

async function world() {
  let ticks = Date.parse('2026-03-01T05:00:00Z');
  const now = (): Date => new Date((ticks += 10));
  const ports = fakePorts({ now });
  ports.backups.addRepository('local');
  ports.backups.addSource(SqliteSource.parse({ kind: 'sqlite', name: 'shop', path: '/srv/shop.db' }), 'good orders');
  const { location } = await ports.backups.make(
    { id: 'cp_1', source: 'shop', repository: 'local', at: now() },
    { signal: NEVER },
  );
  const provenAt = now();
  ports.copies.put({ id: 'cp_1', source: 'shop', kind: 'sqlite', repository: 'local', location, provenAt, bytes: 500 });
  const run = (input: object = {}) => performInMemory(openSandbox, { ports, now, input: { source: 'shop', ...input } });
  return { ports, run };
}

describe('open-sandbox', () => {
  it('opens one for as long as it was asked to, and says how to get there', async () => {
    const { ports, run } = await world();
    const { status, output, plan } = await run({ for: '2h' });
    expect(status).toBe('succeeded');
    expect(plan.map(({ id, undo }) => [id, undo])).toEqual([['open', 'automatic']]);
    const [open] = ports.sandboxes.list();
    expect(open).toMatchObject({ id: output?.sandbox, source: 'shop', copy: 'cp_1' });
    expect(Date.parse(output?.until ?? '') - Number(open?.openedAt)).toBe(2 * 3_600_000);
    expect(output?.connect).toBe(open?.connect);
    expect(ports.backups.dataOf('shop')).toBe('good orders');
  });

  it('plans nothing where its disk has no room for the copy and as much again', async () => {
    const { ports, run } = await world();
    ports.sandboxes.leave(999);
    const { status, error } = await run();
    expect(status).toBe('failed');
    expect(error?.message).toContain('room');
    ports.sandboxes.leave(1_000);
    expect((await run()).status).toBe('succeeded');
  });

  it('leaves none open in which something else is than was copied', async () => {
    const { ports, run } = await world();
    ports.sandboxes.spoil();
    const { status } = await run();
    expect(status).toBe('rolled-back');
    expect(ports.sandboxes.list()).toEqual([]);
  });

  it('opens one of which nobody can say whether it is what was copied, and says so', async () => {
    const { ports, run } = await world();
    ports.sandboxes.obstruct('content: all 3 keys in it have expired since it was made.');
    const { status, checks } = await run();
    expect(status).toBe('succeeded');
    expect(JSON.stringify(checks)).toContain('all 3 keys in it have expired');
    expect(ports.sandboxes.list()).toHaveLength(1);
  });

  it.each(['30s', '8d', 'tomorrow'])('does not stay for %s', async (long) => {
    const { run } = await world();
    await expect(run({ for: long })).rejects.toMatchObject({ code: 'INPUT_INVALID' });
  });
});
