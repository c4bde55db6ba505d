import { describe, expect, it } from 'vitest';
import type { DatabaseLook } from '../../core/database/look.ts';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import maintainDatabase from './index.ts';

const MB = 1024 ** 2;

type Table = DatabaseLook['tables'][number];
type Index = DatabaseLook['indexes'][number];

function world({ tables = [], indexes = [] }: { tables?: Partial<Table>[]; indexes?: Partial<Index>[] } = {}) {
  let ticks = Date.parse('2026-03-29T00:30:00Z');
  const now = (): Date => new Date((ticks += 10));
  const ports = fakePorts({ now });
  ports.backups.addRepository('local');
  ports.backups.addSource({ kind: 'postgres', name: 'crm' });
  ports.backups.addSource({ kind: 'files', name: 'etc', paths: ['/etc'] });
  const long = new Date(ticks - 30 * 86_400_000).toISOString();
  ports.fitness.addDatabase({
    source: 'crm',
    kind: 'postgres',
    databases: [
      { name: 'shop', bytes: 5e8, measured: false },
      { name: 'log', bytes: 1e6, measured: false },
    ],
    tables: tables.map((table) => ({
      database: 'shop',
      name: 'public.orders',
      bytes: 10 * MB,
      rows: 10_000,
      deadRows: 5_000,
      changedRows: 0,
      vacuumedAt: long,
      analyzedAt: long,
      measured: false,
      ...table,
    })),
    indexes: indexes.map((index) => ({
      database: 'shop',
      table: 'public.orders',
      name: 'public.orders_pkey',
      bytes: 10 * MB,
      valid: true,
      unique: true,
      constraint: true,
      reclaimableBytes: 5 * MB,
      measured: true,
      ...index,
    })),
    slow: [
      { database: 'shop', statement: 'select from orders where day = $1', calls: 9, meanMs: 1_500, totalMs: 13_500 },
    ],
  });
  const prove = (): void =>
    ports.copies.put({ id: 'cp_1', source: 'crm', repository: 'local', location: 'crm/1', provenAt: now() });
  const failed = (sequence: number): void =>
    ports.copies.put({ id: `cp_${sequence}`, source: 'crm', repository: 'local', status: 'failed', sequence });
  const run = (input: object = {}, more: object = {}) =>
    performInMemory(maintainDatabase, { ports, now, input, ...more });
  return { ports, run, prove, failed, now };
}

describe('maintain-database', () => {
  it('vacuums what has dead rows, proves it by looking again, and tells what it left alone and why', async () => {
    const { ports, run } = world({
      tables: [{}, { name: 'public.quiet', deadRows: 0, vacuumedAt: new Date().toISOString() }],
    });
    const { status, output, plan } = await run();
    expect(status).toBe('succeeded');
    expect(plan.map(({ title, undo }) => [title, undo])).toEqual([['Vacuum public.orders in shop (crm)', 'none']]);
    expect(output).toMatchObject({
      ok: true,
      done: [{ kind: 'vacuum', object: 'public.orders' }],
      failed: [],
      postponed: [],
    });
    expect(output?.skipped.find(({ object }) => object === 'public.quiet')?.why).toContain('nothing was written');
    expect(ports.fitness.seen('crm').tables[0]?.deadRows).toBe(0);
  });

  it('rehearses what is built anew on the last proven copy, and leaves what fails there', async () => {
    const { ports, run, prove } = world({ tables: [{}], indexes: [{}] });
    prove();
    const first = await run({ optimize: 'daily' }, { trigger: 'schedule' });
    expect(first.plan.map(({ id }) => id)).toEqual([
      'rehearse:crm',
      'vacuum:crm:shop:public.orders',
      'reindex:crm:shop:public.orders_pkey',
    ]);
    expect(first.output).toMatchObject({
      rehearsed: [{ kind: 'reindex', durationMs: 7, locks: ['public.orders_pkey: Share'] }],
    });
    expect(first.output?.sources).toMatchObject([{ name: 'crm', rehearsedOn: 'cp_1' }]);
    expect(ports.fitness.rehearsals.map(({ location }) => location)).toEqual(['crm/1']);

    const again = world({ indexes: [{}] });
    again.prove();
    again.ports.fitness.fail('reindex', 'PROGRAM_FAILED', 'rehearsal');
    const { status, output } = await again.run({ optimize: 'daily' }, { trigger: 'schedule' });
    expect(status).toBe('succeeded');
    expect(output).toMatchObject({
      done: [],
      postponed: [{ kind: 'reindex', why: expect.stringContaining('it failed on its copy') }],
    });
    expect(again.ports.fitness.seen('crm').indexes[0]?.bytes).toBe(10 * MB);
  });

  it('rehearses before the plan where somebody may read that, shows there what came of it, and leaves out what failed', async () => {
    const { ports, run, prove } = world({ tables: [{}], indexes: [{}] });
    prove();
    const { plan, output } = await run({ optimize: 'daily' });
    expect(plan.map(({ id }) => id)).toEqual(['vacuum:crm:shop:public.orders', 'reindex:crm:shop:public.orders_pkey']);
    expect(plan[1]?.detail).toBe(
      'Tried on the copy cp_1: it took 7ms, and 10 MB became 5 MB.\nIt held public.orders_pkey (Share).',
    );
    expect(output).toMatchObject({
      rehearsed: [{ kind: 'reindex', beforeBytes: 1e7, afterBytes: 5e6 }],
      sources: [{ rehearsedOn: 'cp_1' }],
    });
    expect(ports.fitness.rehearsals.every(({ location }) => location === 'crm/1')).toBe(true);

    const again = world({ tables: [{}], indexes: [{}] });
    again.prove();
    again.ports.fitness.fail('reindex', 'PROGRAM_FAILED', 'rehearsal');
    const second = await again.run({ optimize: 'daily' });
    expect(second.plan.map(({ id }) => id)).toEqual(['vacuum:crm:shop:public.orders']);
    expect(second.output?.skipped[0]?.why).toContain('it failed on its copy: reindex did not go there');
    again.ports.fitness.fail('reindex', 'PROGRAM_FAILED', 'rehearsal');
    const dry = await again.run({ optimize: 'daily' }, { dryRun: true });
    expect(dry.plan[0]?.title).toBe('Try 1 task on the proven copy of crm');
  });

  it('tells which frequent statements are gone about in another way since, and why that is not known where it is not', async () => {
    const { ports, run } = world({ indexes: [{}] });
    const { output, checks } = await run({ optimize: 'daily' });
    expect(output?.planChanges).toMatchObject([
      { source: 'crm', database: 'shop', before: { cost: (10 * MB) / 1_000 }, after: { cost: (5 * MB) / 1_000 } },
    ]);
    expect(output?.sources[0]?.plans).toBe('1 of the 1 most frequent statements are gone about in another way');
    expect(checks.every(({ ok }) => ok)).toBe(true);
    ports.fitness.plans = async () => ({ plans: [], why: 'it keeps no record of statements' });
    const again = world({ tables: [{}] });
    again.ports.fitness.plans = ports.fitness.plans;
    const second = await again.run();
    expect(second.output?.sources[0]?.plans).toBe('not compared: it keeps no record of statements');
    expect(second.output?.planChanges).toEqual([]);
  });

  it('does without a rehearsal where no copy is proven', async () => {
    const { ports, run } = world({ indexes: [{}] });
    const { output } = await run({ optimize: 'daily' });
    expect(output?.done.map(({ kind }) => kind)).toEqual(['reindex']);
    expect(ports.fitness.rehearsals).toEqual([]);
  });

  it('says why it did not rehearse where there is no room, and does the rest as where no copy is proven', async () => {
    const { ports, run, prove } = world({ indexes: [{}] });
    prove();
    ports.fitness.noPlace('A copy beside the original might fill that disk.');
    const { status, output } = await run({ optimize: 'daily' });
    expect(status).toBe('succeeded');
    expect(output?.done.map(({ kind }) => kind)).toEqual(['reindex']);
    expect(output?.sources[0]?.rehearsedOn).toBeUndefined();
    expect(output?.sources[0]?.blind).toEqual(['the rehearsal: A copy beside the original might fill that disk.']);
  });

  it('leaves what somebody holds for another time, and goes on with the rest', async () => {
    const { ports, run } = world({ tables: [{ changedRows: 9_000 }] });
    ports.fitness.fail('vacuum', 'LOCKED');
    const { status, output } = await run();
    expect(status).toBe('succeeded');
    expect(output).toMatchObject({ postponed: [{ kind: 'vacuum' }], done: [{ kind: 'analyze' }] });
  });

  it('fails where a task fails, and does the others all the same', async () => {
    const { ports, run } = world({ tables: [{ changedRows: 9_000 }] });
    ports.fitness.fail('vacuum', 'FORBIDDEN');
    const { status, output } = await run();
    expect(status).toBe('failed');
    expect(output).toMatchObject({ ok: false, failed: [{ kind: 'vacuum' }], done: [{ kind: 'analyze' }] });
  });

  it('says where the original went on otherwise than the copy, fails, and does the others all the same', async () => {
    const { ports, run, prove } = world({ tables: [{}], indexes: [{}] });
    prove();
    ports.fitness.fail('reindex', 'DIVERGED');
    for (const trigger of ['schedule', 'manual']) {
      const { status, output, checks } = await run({ optimize: 'daily' }, { trigger });
      expect(status).toBe('failed');
      expect(output).toMatchObject({
        ok: false,
        failed: [],
        diverged: [{ kind: 'reindex', object: 'public.orders_pkey' }],
      });
      expect(checks.find(({ ok }) => !ok)?.evidence).toMatchObject({ error: expect.stringContaining('did not go') });
    }
    expect(ports.fitness.bounds.map((one) => one && [one.withinMs, one.locks])).toContainEqual([
      60_000,
      [{ table: 'public.orders_pkey', mode: 'Share', heldMs: 7 }],
    ]);
    // What was not tried has no bounds.
    expect(ports.fitness.bounds).toContain(undefined);
  });

  it('does not believe a rebuild after which the index is as large as before', async () => {
    const { ports, run } = world({ indexes: [{}] });
    ports.fitness.pretend('reindex');
    const { status, checks } = await run({ optimize: 'daily' });
    expect(status).toBe('failed');
    expect(checks.filter(({ ok }) => !ok)).toMatchObject([
      { ok: false, evidence: { bytesBefore: 10 * MB, bytesAfter: 10 * MB } },
    ]);
  });

  it('builds nothing anew outside a window by itself, and not at all where nobody wants it', async () => {
    const { ports, run } = world({ indexes: [{}] });
    ports.fitness.openWindow(false);
    const { output } = await run();
    expect(output).toMatchObject({ done: [], skipped: [{ kind: 'reindex', why: expect.stringContaining('window') }] });
    expect((await run({ optimize: 'never' })).plan).toEqual([]);
  });

  it('tries indexes for slow queries only on a copy, and makes none', async () => {
    const { run, prove } = world();
    prove();
    const { output, plan } = await run({ auto_index: true });
    expect(plan.map(({ title }) => title)).toEqual(['Try indexes for 1 slow query on the proven copy of crm']);
    expect(output).toMatchObject({ advice: [{ source: 'crm', tested: 'sandbox' }], done: [] });
  });

  it('is of one database of a server where that is asked for, and says which there are otherwise', async () => {
    const { run } = world({ tables: [{}] });
    expect((await run({ database: 'shop' }, { dryRun: true })).plan).toHaveLength(1);
    expect((await run({ database: 'log' })).plan).toEqual([]);
    expect((await run({ database: 'crm' }, { dryRun: true })).plan).toHaveLength(1);
    expect((await run({ database: 'nobody' })).error).toMatchObject({ code: 'NOT_FOUND' });
    expect((await run({ sources: ['etc'] })).error?.message).toContain("no database source 'etc'");
  });

  it('does the worst of very many tasks, says how many it left, and does those in the next run', async () => {
    const many = Array.from({ length: 450 }, (_, at) => ({ name: `public.t${at}`, deadRows: 2_000 + at }));
    const { run } = world({ tables: many });
    const first = await run({ vacuum: 'weekly' });
    expect(first.plan).toHaveLength(401);
    expect(first.plan.at(-1)).toMatchObject({
      title: 'Leave 50 more tasks for the next run',
      reason: expect.stringContaining('crm (50)'),
    });
    expect(first.output).toMatchObject({ ok: true, left: 50 });
    const done = first.output?.done.map(({ object }) => object);
    expect(done).toHaveLength(400);
    expect(done).toContain('public.t449');
    expect(done).not.toContain('public.t0');
    const second = await run();
    expect(second.output?.done.map(({ object }) => object)).toContain('public.t0');
    expect(second.output).toMatchObject({ left: 0, done: { length: 50 } });
  });

  it('does nothing to what is being backed up', async () => {
    const { ports, run } = world({ tables: [{}] });
    ports.copies.put({ id: 'cp_w', source: 'crm', repository: 'local', status: 'writing' });
    const { plan, output } = await run();
    expect(plan).toEqual([]);
    expect(output?.skipped[0]?.why).toBe('it is being backed up');
  });

  it('is not done again at two when it was done after three the day before, and is at three', async () => {
    for (const [hours, planned] of [
      [22.8, 0],
      [23.9, 1],
    ] as const) {
      const { ports, run, now } = world({ tables: [{}] });
      const at = new Date(now().getTime() - hours * 3_600_000);
      ports.fitness.remember('crm', { kind: 'vacuum', database: 'shop', object: 'public.orders', at });
      expect((await run({}, { trigger: 'schedule' })).plan, `${hours} h`).toHaveLength(planned);
    }
  });

  it('is not done again by the next schedule of the same day', async () => {
    const { ports, run, now } = world({ tables: [{}] });
    ports.fitness.remember('crm', { kind: 'vacuum', database: 'shop', object: 'public.orders', at: now() });
    expect((await run({}, { trigger: 'schedule' })).plan).toEqual([]);
    expect((await run()).plan).toHaveLength(1);
  });

  it('leaves a database whose last copy failed for after the next one, unless somebody asks', async () => {
    const { run, prove, failed } = world({ tables: [{}] });
    prove();
    failed(2);
    const { status, output, plan } = await run({}, { trigger: 'event' });
    expect([status, plan]).toEqual(['succeeded', []]);
    expect(output?.skipped).toContainEqual(
      expect.objectContaining({ object: 'public.orders', why: 'its last copy failed: it is backed up first' }),
    );
    expect((await run()).plan.length).toBeGreaterThan(0);
  });
});
