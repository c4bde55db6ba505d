import { describe, expect, it } from 'vitest';
import { type FakePorts, fakePorts } from '../../testing/fakes/fake-ports.ts';
import { performInMemory } from '../../testing/perform-in-memory.ts';
import clearCaches from './index.ts';

const now = (): Date => new Date('2026-03-31T02:00:00Z');
const day = (days: number): Date => new Date(now().getTime() - days * 86_400_000);
const machine = (): FakePorts => {
  const ports = fakePorts({ now });
  ports.storage.addCache('apt', 3e9);
  ports.docker.addBuildCache({ bytes: 2e9, lastUsedAt: day(8) });
  ports.docker.addBuildCache({ bytes: 5e9, lastUsedAt: day(6) });
  return ports;
};
const clear = (ports: FakePorts, input: { unusedFor?: string } = {}, dryRun = false) =>
  performInMemory(clearCaches, { ports, now, input, dryRun });

describe('clear-caches', () => {
  it('empties what fills itself again, and leaves what builds used lately', async () => {
    const ports = machine();
    expect(await clear(ports)).toMatchObject({
      status: 'succeeded',
      output: {
        bytes: 5e9,
        caches: [
          { id: 'cache:apt', bytes: 3e9 },
          { id: 'build-cache', bytes: 2e9 },
        ],
      },
    });
    expect(await ports.storage.caches()).toEqual([]);
    expect(await ports.docker.buildCache()).toMatchObject([{ bytes: 5e9 }]);
  });

  it('shows first what each would free, and why it may go', async () => {
    const ports = machine();
    expect((await clear(ports, { unusedFor: '0s' }, true)).plan).toMatchObject([
      { id: 'cache:apt', bytes: 3e9, undo: 'none', reason: expect.stringContaining('fetches again') },
      { id: 'build-cache', bytes: 7e9 },
    ]);
    expect(await ports.storage.caches()).toHaveLength(1);
  });

  it('does what it can where Docker is away, and says so', async () => {
    const ports = machine();
    ports.docker.setAvailable(false);
    expect(await clear(ports)).toMatchObject({
      status: 'succeeded',
      output: { bytes: 3e9, blind: [expect.stringContaining('docker')] },
    });
  });

  it('has nothing to do where there is nothing', async () => {
    expect(await clear(fakePorts({ now }))).toMatchObject({ status: 'succeeded', plan: [], output: { bytes: 0 } });
  });

  it('fails where a program says yes and empties nothing', async () => {
    const ports = machine();
    ports.storage.onClear('apt', 'ignored');
    expect(await clear(ports)).toMatchObject({ status: 'failed', error: { code: 'VERIFICATION_FAILED' } });
  });

  it('fails where the caches are empty and the file system shows nothing of it', async () => {
    const ports = machine();
    const clearCache = ports.storage.clearCache.bind(ports.storage);
    const run = await performInMemory(clearCaches, {
      ports: {
        ...ports,
        storage: {
          ...ports.storage,
          // Somebody holds the files open.
          async clearCache(id, options) {
            await clearCache(id, options);
            ports.storage.use(3e9);
          },
        },
      },
      now,
      input: {},
    });
    expect(run).toMatchObject({ status: 'failed', error: { message: expect.stringContaining('shows the space') } });
  });

  it('says what the program said where it refuses', async () => {
    const ports = machine();
    ports.storage.onClear('apt', 'refused');
    expect(await clear(ports)).toMatchObject({ status: 'failed', error: { code: 'PROGRAM_FAILED' } });
  });
});
