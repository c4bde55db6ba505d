import { describe, expect, it } from 'vitest';
import { systemActor } from '../../core/actor.ts';
import { defined } from '../../testing/defined.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import migrateDatabase from './index.ts';

const NEVER = new AbortController().signal;

async function world({ proven = true } = {}) {
  let ticks = Date.parse('2026-03-01T05:00:00Z');
  const now = (): Date => new Date((ticks += 10));
  const ports = fakePorts({ now });
  ports.backups.addRepository('local');
  ports.backups.addSource({ kind: 'sqlite', name: 'shop', path: '/srv/shop.db' }, 'orders');
  const made = await ports.backups.make(
    { id: 'cp_1', source: 'shop', repository: 'local', at: now() },
    { signal: NEVER },
  );
  ports.copies.put({
    id: 'cp_1',
    source: 'shop',
    repository: 'local',
    location: made.location,
    ...(proven && { provenAt: now() }),
  });
  ports.migrations.addSet({ name: 'shop' });
  ports.migrations.write('0001_orders.up.sql', 'create table orders (id int)');
  ports.migrations.write('0001_orders.down.sql', 'drop table orders');
  ports.migrations.write('0002_lines.sql', 'alter table orders add column note text not null');
  const run = (input: object = {}, more: { dryRun?: boolean; beforeApply?: () => void } = {}) =>
    performInMemory(migrateDatabase, { ports, now, input: { name: 'shop', ...input }, ...more });
  return { ports, run };
}

describe('migrate-database', () => {
  it('rehearses, copies, then applies each file in its order', async () => {
    const { ports, run } = await world();
    const { status, plan, output } = await run();
    expect(status).toBe('succeeded');
    expect(plan.map(({ id, undo }) => [id, undo])).toEqual([
      ['rehearse', 'none'],
      ['recovery-point', 'none'],
      ['up:0001', 'approval'],
      ['up:0002', 'approval'],
    ]);
    expect(ports.migrations.rows().map(({ version, state }) => [version, state])).toEqual([
      ['0001', 'applied'],
      ['0002', 'applied'],
    ]);
    expect(output).toMatchObject({
      recoveryPoint: 'cp_memory_before',
      rehearsal: { copy: 'cp_1' },
      takeBack: ['steward backup restore shop --copy cp_memory_before (what was written since is lost)'],
    });
  });

  it('shows the SQL and what is dangerous about it before anything happens', async () => {
    const { ports, run } = await world();
    const { plan, changes } = await run({}, { dryRun: true });
    const detail = plan.find(({ id }) => id === 'up:0002')?.detail ?? '';
    expect(detail).toContain('| alter table orders add column note text not null');
    expect(detail).toContain('a NOT NULL column needs a default');
    expect(detail).toContain('the engine rolls all of it back');
    expect(changes).toEqual([]);
    expect(ports.migrations.rows()).toEqual([]);
  });

  it('says that nothing could be rehearsed where no copy is proven', async () => {
    const { run } = await world({ proven: false });
    const { plan } = await run({}, { dryRun: true });
    expect(plan[0]?.id).toBe('recovery-point');
    expect(plan[1]?.detail).toContain('Not rehearsed: the source has no proven copy.');
  });

  it('touches nothing where the rehearsal fails', async () => {
    const { ports, run } = await world();
    ports.migrations.rehearsalFails('In the copy it fails: 0002 breaks.');
    const { status, error } = await run();
    expect([status, error?.code, error?.message]).toEqual([
      'failed',
      'VERIFICATION_FAILED',
      'In the copy it fails: 0002 breaks.',
    ]);
    expect(ports.migrations.rows()).toEqual([]);
    expect(ports.backups.held()).toHaveLength(1);
  });

  it('goes on, and says that nothing was rehearsed, where there is no place of its own for that', async () => {
    const { ports, run } = await world();
    ports.migrations.rehearsalIsImpossible('This machine has no server of its own to rehearse on.');
    const { status, output } = await run();
    expect([status, output?.rehearsal?.possible, output?.rehearsal?.statement, output?.rehearsal?.steps]).toEqual([
      'succeeded',
      false,
      'This machine has no server of its own to rehearse on.',
      [],
    ]);
    expect(ports.migrations.limits()).toEqual([3_600_000, 3_600_000]);
  });

  it('says that the original takes far longer than the copy took, where a statement reached that limit', async () => {
    const { ports, run } = await world();
    ports.migrations.write('0003_slow.sql', 'select slow');
    const { status, error } = await run();
    expect([status, error?.code]).toEqual(['failed', 'DIVERGED']);
    expect(error?.message).toContain('it took longer than 1m, after 5ms at most in the rehearsal');
    const asked = await run({ statementTimeout: '5s' });
    expect(asked.error?.code).toBe('TIMEOUT');
  });

  it('takes no limit from what the copy had already, and says that it was not tried', async () => {
    const { ports, run } = await world();
    expect((await run({ to: '0001' })).status).toBe('succeeded');
    ports.migrations.copyHas('0002');
    const { output } = await run();
    expect(output?.rehearsal?.steps).toMatchObject([{ file: '0002_lines.sql', tried: false }]);
    expect(ports.migrations.limits()).toEqual([60_000, 3_600_000]);
  });

  it('lets a constraint wait for its validation where the SQL says NOT VALID, and nothing else', async () => {
    const { ports, run } = await world();
    ports.migrations.becomesUnsound('constraint c of lines was never validated');
    expect((await run({ to: '0001' })).error?.code).toBe('VERIFICATION_FAILED');
    const { ports: others, run: again } = await world();
    others.migrations.write('0003_check.sql', 'alter table lines add constraint c check (id > 0) not valid');
    others.migrations.becomesUnsound('constraint c of lines was never validated');
    expect((await again()).status).toBe('succeeded');
  });

  it('shows no password of the SQL, neither in the plan nor in what it keeps', async () => {
    const { ports, run } = await world();
    ports.migrations.write('0003_user.sql', `create role app password 'hunter22';\n-- ${'x'.repeat(5_000)}`);
    const { plan, artifacts } = await run({}, { dryRun: true });
    expect(JSON.stringify([plan, [...artifacts.values()]])).not.toContain('hunter22');
    expect([...artifacts.values()].join('')).toContain("create role app password '***'");
  });

  it('does nothing where the side that would take it back was changed after the plan', async () => {
    const { ports, run } = await world();
    const beforeApply = () => ports.migrations.write('0001_orders.down.sql', 'drop table other');
    expect((await run({}, { beforeApply })).status).toBe('stale');
    expect(ports.migrations.rows()).toEqual([]);
  });

  it('leaves what was applied before the one that failed, and says nothing of putting it back', async () => {
    const { ports, run } = await world();
    ports.migrations.write('0003_broken.sql', 'select fail');
    const { status, error } = await run();
    expect([status, error?.message]).toEqual(['failed', '0003_broken.sql, line 1 failed.']);
    expect(ports.migrations.rows()).toHaveLength(2);
  });

  it('refuses a file that was changed, is missing or comes too late, and names it', async () => {
    const { ports, run } = await world();
    expect((await run()).status).toBe('succeeded');
    ports.migrations.write('0002_lines.sql', 'select 2');
    expect((await run()).error?.message).toMatch(/0002_lines.sql was changed after it was applied/);
    ports.migrations.write('0002_lines.sql', '');
    expect((await run()).error?.message).toMatch(/0002 \(lines\) was applied on .* its file is missing/);
    ports.migrations.write('0002_lines.sql', 'alter table orders add column note text not null');
    ports.migrations.write('0001.5_late.sql', 'select 1');
    expect((await run()).error).toMatchObject({
      code: 'INPUT_INVALID',
      message: expect.stringContaining('0001.5_late.sql'),
    });
  });

  it('applies what comes before an applied one only where that is wanted', async () => {
    const { ports, run } = await world();
    ports.migrations.write('0005_later.sql', 'select 5');
    await run();
    ports.migrations.write('0004_late.sql', 'select 4');
    expect((await run()).error?.message).toContain('0004_late.sql comes before one that is applied already');
    expect((await run({ outOfOrder: true })).status).toBe('succeeded');
    expect(ports.migrations.rows().map(({ version }) => version)).toContain('0004');
  });

  it('goes up to a version, and down to one by down files; without one it is refused', async () => {
    const { ports, run } = await world();
    await run({ to: '0001' });
    expect(ports.migrations.rows().map(({ version }) => version)).toEqual(['0001']);
    expect((await run({ to: '0009' })).error?.message).toContain('There is no version 0009');
    const down = await run({ direction: 'down' });
    expect([down.status, down.plan.at(-1)?.id]).toEqual(['succeeded', 'down:0001']);
    expect(ports.migrations.rows()).toEqual([]);
    await run();
    expect((await run({ direction: 'down' })).error?.message).toContain('0002 (lines) has no down file');
  });

  it('is refused while somebody else migrates, and does nothing with a file that was changed after the plan', async () => {
    const { ports, run } = await world();
    const changed = await run(
      {},
      { beforeApply: () => ports.migrations.write('0001_orders.up.sql', 'create table other (id int)') },
    );
    expect(changed.status).toBe('stale');
    ports.migrations.lockedBy('psql (backend 12)');
    expect((await run()).error).toMatchObject({
      code: 'LOCKED',
      message: expect.stringContaining('psql (backend 12)'),
    });
    expect(ports.migrations.rows()).toEqual([]);
  });

  it('takes back what it finds done already where its own former self did it, and nothing of another run', async () => {
    const { ports } = await world();
    ports.migrations.apply('0001');
    const done = { already: true, durationMs: 0, statements: [], locks: [], rewrites: [] };
    const change = { id: 'up:0001', title: 'Apply it', undo: 'approval' as const, version: '0001' };
    const takeBack = async (id: string): Promise<void> => {
      const run = { id, trigger: 'cli', actor: systemActor('test'), dryRun: false } as const;
      const input = migrateDatabase.input.parse({ name: 'shop' });
      const ctx = { input, ports, run, signal: NEVER, lease: async () => 1 };
      await defined(migrateDatabase.rollback)(ctx as never, change, { did: 'step', done });
    };
    await takeBack('run_other');
    expect(ports.migrations.rows()).toHaveLength(1);
    await takeBack('run_before');
    expect(ports.migrations.rows()).toEqual([]);
  });

  it('has nothing to do, and that is no failure, where all is applied', async () => {
    const { run } = await world();
    await run();
    expect(await run()).toMatchObject({ status: 'succeeded', plan: [] });
  });
});
