import { describe, expect, it } from 'vitest';
import { type BackupSource, PostgresSource, SqliteSource } from '../../core/backup/source.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { defined } from '../../testing/defined.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import restoreBackup from './index.ts';

const NEVER = new AbortController().signal;

const SHOP: BackupSource = SqliteSource.parse({ kind: 'sqlite', name: 'shop', path: '/srv/shop.db' });

async function world(kind: 'sqlite' | 'files' | 'postgres' = 'sqlite', source = SHOP) {
  let ticks = Date.parse('2026-03-01T05:00:00Z');
  const now = (): Date => new Date((ticks += 10));
  const ports = fakePorts({ now });
  ports.backups.addRepository('local');
  ports.backups.addSource(source, 'good orders');
  for (const id of ['cp_1', 'cp_2']) {
    const { location } = await ports.backups.make(
      { id, source: 'shop', repository: 'local', at: now() },
      { signal: NEVER },
    );
    ports.copies.put({
      id,
      source: 'shop',
      kind,
      repository: 'local',
      location,
      ...(id === 'cp_1' && { provenAt: now() }),
    });
  }
  ports.backups.write('shop', 'ruined');
  const run = (input: object = {}, beforeApply?: () => void) =>
    performInMemory(restoreBackup, {
      ports,
      now,
      input: { source: 'shop', ...input },
      ...(beforeApply && { beforeApply }),
    });
  return { ports, run };
}

describe('restore-backup', () => {
  it('copies what is there first, then puts the newest proven copy in its place', async () => {
    const { ports, run } = await world();
    const { status, output, plan } = await run();
    expect(status).toBe('succeeded');
    expect(plan.map(({ id, undo }) => [id, undo])).toEqual([
      ['safety-copy', 'none'],
      ['restore', 'approval'],
      ['tidy', 'none'],
    ]);
    expect(ports.backups.dataOf('shop')).toBe('good orders');
    expect(output).toMatchObject({ copy: 'cp_1', restored: ['shop'] });
    const safety = ports.copies.all().find(({ id }) => id === output?.safetyCopy);
    expect(safety?.status).toBe('complete');
    expect(ports.backups.held().at(-1)?.data).toBe('ruined');
  });

  it('takes a copy that it can reach, where the newest proven one is in a repository that is configured no more', async () => {
    const { ports, run } = await world();
    ports.copies.put({ id: 'cp_3', source: 'shop', kind: 'sqlite', repository: 'renamed', provenAt: new Date() });
    const { status, output } = await run();
    expect([status, output?.copy]).toEqual(['succeeded', 'cp_1']);
    expect((await run({ copy: 'cp_3' })).error).toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining("'renamed'"),
    });
  });

  it('offers no safety copy by itself, proven or not; who names it gets it', async () => {
    const { ports, run } = await world();
    const safety = defined((await run()).output?.safetyCopy);
    await ports.copies.looked(safety, [{ layer: 'restore', ok: true, statement: '', durationMs: 1 }]);
    expect((await run()).output?.copy).toBe('cp_1');
    expect((await run({ copy: safety })).output?.copy).toBe(safety);
    expect(ports.backups.dataOf('shop')).toBe('ruined');
  });

  it('leaves what it replaced of files, which their copy may not have all of, and says where it lies', async () => {
    const { run } = await world('files');
    const { status, output, plan } = await run();
    expect(status).toBe('succeeded');
    expect(plan.map(({ id }) => id)).toEqual(['safety-copy', 'restore']);
    expect(plan.at(-1)).toMatchObject({ reason: expect.stringContaining('stays beside it') });
    expect(output?.setAside).toEqual(['shop before']);
  });

  it('leaves what it replaced of a database whose copies leave columns out: nothing else has those', async () => {
    const excludeColumns = ['shop.public.users.password_hash'];
    const { run } = await world('postgres', PostgresSource.parse({ kind: 'postgres', name: 'shop', excludeColumns }));
    const { status, output, plan } = await run();
    expect(status).toBe('succeeded');
    expect(plan.map(({ id }) => id)).toEqual(['safety-copy', 'restore']);
    expect(JSON.stringify(plan.at(-1))).toContain('only what is set aside has all of it');
    expect(output?.setAside).not.toEqual([]);
  });

  it('replaces nothing where the safety copy cannot be made', async () => {
    const { ports, run } = await world();
    const { status } = await run({}, () => ports.backups.breakSource('shop', 'copy'));
    expect(status).toBe('failed');
    expect(ports.backups.dataOf('shop')).toBe('ruined');
  });

  it('wants to be told where what is there cannot be read and would be lost', async () => {
    const { ports, run } = await world();
    ports.backups.breakSource('shop', 'examine');
    expect((await run()).status).toBe('failed');
    expect(ports.backups.dataOf('shop')).toBe('ruined');
    const { status, plan } = await run({ safety: false });
    expect(status).toBe('succeeded');
    expect(plan.map(({ id, undo }) => [id, undo])).toEqual([['restore', 'none']]);
  });

  it('does not put a rotten copy over anything', async () => {
    const { ports, run } = await world();
    ports.backups.rot({ repository: 'local', location: 'shop/cp_2' });
    expect((await run({ copy: 'cp_2' })).status).toBe('failed');
    expect(ports.backups.dataOf('shop')).toBe('ruined');
  });
});
