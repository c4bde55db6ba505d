import { describe, expect, it } from 'vitest';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import extractBackup from './index.ts';

const NEVER = new AbortController().signal;

async function world() {
  let ticks = Date.parse('2026-03-01T05:00:00Z');
  const now = (): Date => new Date((ticks += 10));
  const ports = fakePorts({ now });
  ports.backups.addRepository('local');
  ports.backups.addSource({ kind: 'sqlite', name: 'shop', path: '/srv/shop.db' }, 'old orders');
  const { location } = await ports.backups.make(
    { id: 'cp_1', source: 'shop', repository: 'local', at: now() },
    { signal: NEVER },
  );
  ports.copies.put({ id: 'cp_1', source: 'shop', repository: 'local', location, provenAt: now() });
  ports.backups.write('shop', 'new orders');
  const run = (input: object) => performInMemory(extractBackup, { ports, now, input: input as never });
  return { ports, run };
}

describe('extract-backup', () => {
  it('restores the newest proven copy into a folder, and leaves the original alone', async () => {
    const { ports, run } = await world();
    const { status, output } = await run({ source: 'shop', folder: '/srv/restored' });
    expect(status).toBe('succeeded');
    expect(output).toMatchObject({ copy: 'cp_1', to: '/srv/restored', proven: true });
    expect(ports.backups.dataOf('/srv/restored')).toBe('old orders');
    expect(ports.backups.dataOf('shop')).toBe('new orders');
  });

  it('stops before its plan where something is there', async () => {
    const { ports, run } = await world();
    ports.backups.write('/srv/restored', 'of somebody');
    const { status, plan, error } = await run({ source: 'shop', folder: '/srv/restored' });
    expect([status, plan]).toEqual(['failed', []]);
    expect(error?.message).toContain('Nothing is at /srv/restored yet');
  });

  it('says of which part of a copy it is, and takes no part for a database', async () => {
    const { ports, run } = await world();
    let only: readonly string[] | undefined;
    const { restore } = ports.backups;
    ports.backups.restore = async (place, to, doing) => {
      only = to.kind === 'folder' ? to.only : undefined;
      return await restore(place, to, doing);
    };
    const { status, plan } = await run({ source: 'shop', folder: '/srv/restored', paths: ['/etc/hosts', '/etc/ssl'] });
    expect([status, only]).toEqual(['succeeded', ['/etc/hosts', '/etc/ssl']]);
    expect(plan[0]?.title).toMatch(/^Restore \/etc\/hosts and 1 more of the copy of shop /);
    expect((await run({ source: 'shop', database: 'new', paths: ['/etc'] })).error).toMatchObject({
      code: 'INPUT_INVALID',
    });
  });

  it('wants to know where to, and to which of the two', async () => {
    const { run } = await world();
    expect((await run({ source: 'shop' })).error).toMatchObject({ code: 'INPUT_INVALID' });
    expect((await run({ source: 'shop', folder: '/a', database: 'b' })).error).toMatchObject({ code: 'INPUT_INVALID' });
    expect((await run({ source: 'shop', folder: 'relative' })).error).toMatchObject({ code: 'INPUT_INVALID' });
    expect((await run({ source: 'crm', folder: '/a' })).error).toMatchObject({ code: 'NOT_FOUND' });
  });
});
