import { describe, expect, it } from 'vitest';
import { fakePorts } from '../../testing/fakes/fake-ports.ts';
import { Retention } from '../../core/backup/retention.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import pruneBackups from './index.ts';

const DAY = 86_400_000;
const NEVER = new AbortController().signal;

async function world(
  ages: readonly number[],
  proven: readonly number[],
  {
    partly = [],
    ...place
  }: { readonly partly?: readonly number[]; readonly appendOnly?: boolean; readonly objectLock?: boolean } = {},
) {
  const start = Date.parse('2026-06-01T04:00:00Z');
  let ticks = start;
  const now = (): Date => new Date((ticks += 10));
  const ports = fakePorts({ now });
  ports.backups.addRepository('local', place);
  ports.backups.addSource({ kind: 'files', name: 'etc', paths: ['/etc'] });
  for (const [index, age] of ages.toSorted((a, b) => b - a).entries()) {
    const startedAt = new Date(start - age * DAY);
    const id = `age-${age}`;
    const { location } = await ports.backups.make(
      { id, source: 'etc', repository: 'local', at: startedAt },
      { signal: NEVER },
    );
    const provenAt = proven.includes(age) ? startedAt : null;
    const unsure = partly.includes(age) ? { count: 1, first: ['/etc/app.db'] } : null;
    const at = { source: 'etc', repository: 'local', location, startedAt };
    ports.copies.put({ id, ...at, provenAt, unsure, sequence: index + 1 });
  }
  const run = (input: object = {}, beforeApply?: () => void) =>
    performInMemory(pruneBackups, { ports, now, input, ...(beforeApply && { beforeApply }) });
  return { ports, run, left: () => ports.backups.held().map(({ id }) => id) };
}

describe('prune-backups', () => {
  it('removes what retention lets go from the repository and from the record', async () => {
    const { ports, run, left } = await world([1, 5, 40, 50], [1]);
    const { status, output } = await run({ keep: '30d' });
    expect(status).toBe('succeeded');
    expect(left()).toEqual(['age-5', 'age-1']);
    expect(output).toMatchObject({ kept: 2, removed: [{ copy: 'age-50' }, { copy: 'age-40' }] });
    expect(ports.copies.all().filter((copy) => copy.status === 'removed')).toHaveLength(2);
  });

  it('keeps safety copies for as long as the configuration says, also where it is asked for another time', async () => {
    const { ports, run } = await world([6, 5, 4, 2, 1], [1]);
    const startedAt = new Date(Date.parse('2026-06-01T04:00:00Z') - 3 * DAY);
    ports.copies.put({ id: 'cp_r_safety', source: 'etc', repository: 'local', startedAt, sequence: 3.5 });
    const removed = async () => (await run({ keep: '1d' })).output?.removed.map(({ copy }) => copy) ?? [];
    expect(await removed()).not.toContain('cp_r_safety');
    ports.copies.rule({ retention: Retention.parse({ safety: '1d' }) });
    expect(await removed()).toContain('cp_r_safety');
  });

  it('keeps the last proven copy, however old, and all that came after it', async () => {
    const { run, left } = await world([110, 90, 80, 70], [90]);
    await run({ keep: '30d' });
    expect(left()).toEqual(['age-90', 'age-80', 'age-70']);
  });

  it('keeps the last one of which all is proven, where of those after it something could not be compared', async () => {
    const { run, left } = await world([110, 90, 2, 1], [110, 90, 2, 1], { partly: [2, 1] });
    await run({ keep: '30d' });
    expect(left()).toEqual(['age-90', 'age-2', 'age-1']);
  });

  it('removes nothing where nothing is proven', async () => {
    const { run, left } = await world([100, 90, 1], []);
    const { status, plan } = await run({ keep: '30d' });
    expect([status, plan]).toEqual(['succeeded', []]);
    expect(left()).toHaveLength(3);
  });

  it('does not run on a proof that was taken back while it waited', async () => {
    const { ports, run, left } = await world([100, 1], [1]);
    const { status } = await run(
      { keep: '30d' },
      () => void ports.copies.looked('age-1', [{ layer: 'restore', ok: false, statement: 'broken', durationMs: 1 }]),
    );
    expect(status).toBe('stale');
    expect(left()).toHaveLength(2);
  });

  it('leaves a repository alone that only takes', async () => {
    const { run, left } = await world([100, 1], [1], { appendOnly: true });
    const { output } = await run({ keep: '30d' });
    expect(output).toMatchObject({ removed: [], leftAlone: ['local'] });
    expect(left()).toHaveLength(2);
  });

  it('says of a locked bucket that it hides what is removed, and frees nothing yet', async () => {
    const { run, left } = await world([40, 1], [1], { objectLock: true });
    const { plan, output } = await run({ keep: '30d' });
    expect(left()).toEqual(['age-1']);
    expect(output).toMatchObject({ freedBytes: 0, heldBytes: 4 });
    expect(plan).toMatchObject([
      { reason: expect.stringContaining('its bucket frees it when its lock is over') },
      { title: expect.stringContaining('Hide what was removed from local') },
    ]);
  });

  it('lets go of one kind of sources only, where it is asked to', async () => {
    const { run, left } = await world([1, 40], [1]);
    expect((await run({ keep: '30d', targets: ['sqlite'] })).output?.removed).toEqual([]);
    expect((await run({ keep: '30d', targets: ['files'] })).output?.removed).toHaveLength(1);
    expect(left()).toEqual(['age-1']);
  });
});
