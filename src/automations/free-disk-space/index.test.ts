import { describe, expect, it } from 'vitest';
import { type FakePorts, fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import freeDiskSpace from './index.ts';

const now = (): Date => new Date('2026-03-31T02:00:00Z');
const day = (days: number): Date => new Date(now().getTime() - days * 86_400_000);

/** 90 of 100 GB used, and something on each rung. */
function full(): FakePorts {
  const ports = fakePorts({ now });
  const { storage, docker } = ports;
  storage.full({ totalBytes: 100e9, usedBytes: 90e9 });
  storage.addCache('apt', 4e9);
  docker.addBuildCache({ bytes: 3e9, lastUsedAt: day(2) });
  docker.addImage({ id: 'newest-nameless', createdAt: day(100) });
  docker.addImage({ id: 'nameless', createdAt: day(200), bytes: 2e9 });
  docker.addImage({ id: 'next-nameless', createdAt: day(150), bytes: 1e9 });
  storage.addLog('/var/log/syslog.7.gz', 1e9, day(60));
  storage.addLog('/var/log/syslog.1', 5e9, day(1));
  storage.setJournal(3.5e9);
  docker.addImage({ id: 'used', tags: ['shop:2'], createdAt: day(90), bytes: 9e9 });
  docker.addImage({ id: 'unused', tags: ['old:1'], digests: ['old@sha256:1'], createdAt: day(90), bytes: 6e9 });
  docker.run('shop', { image: 'shop:2', state: 'exited' });
  return ports;
}
type Input = Parameters<
  typeof performInMemory<typeof freeDiskSpace.input, typeof freeDiskSpace.output, never>
>[1]['input'];
const free = (ports: FakePorts, input: Input, options: { dryRun?: boolean; beforeApply?: () => void } = {}) =>
  performInMemory(freeDiskSpace, { ports, now, input, ...options });
const rungs = (run: Awaited<ReturnType<typeof free>>) => run.output?.rungs.map(({ rung }) => rung);

describe('free-disk-space', () => {
  it('touches caches alone where that is enough', async () => {
    const ports = full();
    const run = await free(ports, { target: '85%' });
    expect(run).toMatchObject({
      status: 'succeeded',
      output: { reached: true, bytes: 7e9, gainedBytes: 7e9, usedPercentBefore: 90, usedPercentAfter: 83 },
    });
    expect(rungs(run)).toEqual(['caches']);
    expect(await ports.docker.images()).toHaveLength(5);
  });

  it('climbs to the top where it must, and leaves what is used, young, or a way back', async () => {
    const ports = full();
    const run = await free(ports, { target: '60%', keepPrevious: 1 });
    expect(rungs(run)).toEqual(['caches', 'nameless-images', 'rotated-logs', 'journal', 'unused-images']);
    expect(run).toMatchObject({
      status: 'succeeded',
      output: {
        reached: false,
        usedPercentAfter: 70,
        kept: { 'a container is made of it': 1, 'a way back': 1, 'a young log': 1 },
      },
    });
    expect((await ports.docker.images()).map(({ id }) => id).toSorted()).toEqual(['newest-nameless', 'used']);
    expect(ports.storage.exists('/var/log/syslog.1')).toBe(true);
    expect((await ports.storage.journal())?.bytes).toBe(500e6);
  });

  it('says in its plan what each step frees and that the target is out of reach', async () => {
    const run = await free(full(), { target: '60%' }, { dryRun: true });
    expect(run.plan[0]).toMatchObject({
      rung: 'caches',
      bytes: 4e9,
      undo: 'none',
      title: expect.stringContaining('4 GB'),
    });
    expect(run.facts).toMatchObject({
      enough: false,
      warning: expect.stringContaining('a person has to find the rest'),
    });
  });

  it('has nothing to do, and counts nothing, where there is room', async () => {
    expect(await free(full(), { target: '90%' })).toMatchObject({ plan: [], output: { reached: true, bytes: 0 } });
  });

  it('stops on its way when somebody else has made room', async () => {
    const ports = full();
    const clearCache = ports.storage.clearCache.bind(ports.storage);
    const run = await performInMemory(freeDiskSpace, {
      ports: {
        ...ports,
        storage: {
          ...ports.storage,
          async clearCache(id, options) {
            await clearCache(id, options);
            ports.storage.use(-40e9);
          },
        },
      },
      now,
      input: { target: '60%' },
    });
    expect(rungs(run)).toEqual(['caches']);
    expect(run.output?.kept['there is room enough']).toBeGreaterThan(3);
    expect(await ports.docker.images()).toHaveLength(5);
  });

  it('removes nothing that was not in the plan', async () => {
    const ports = full();
    const run = await free(ports, { target: '85%' }, { beforeApply: () => ports.storage.use(8e9) });
    expect(rungs(run)).toEqual(['caches']);
    expect(run.output?.reached).toBe(false);
  });

  it('looks at one file system only', async () => {
    const ports = full();
    ports.storage.addCache('npm', 50e9, { device: 2 });
    expect((await free(ports, { target: '60%' }, { dryRun: true })).plan.map(({ id }) => id)).not.toContain(
      'cache:npm',
    );
  });

  it('fails where nothing was freed though everybody said so', async () => {
    const ports = full();
    ports.storage.onClear('apt', 'ignored');
    expect(await free(ports, { target: '85%' })).toMatchObject({
      status: 'failed',
      error: { code: 'VERIFICATION_FAILED', message: expect.stringContaining('it cannot be taken back') },
    });
  });

  it('keeps a log in whose place another one came', async () => {
    const ports = full();
    const run = await free(
      ports,
      { target: '60%' },
      {
        beforeApply: () => ports.storage.addLog('/var/log/syslog.7.gz', 2e9, day(50)),
      },
    );
    expect(run.status).toBe('succeeded');
    expect(ports.storage.exists('/var/log/syslog.7.gz')).toBe(true);
  });
});
