import { mkdtemp, rename, rm, symlink, truncate, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { loadConfig } from './load.ts';
import { type ConfigService, watchConfig } from './watch.ts';

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} };

describe('watchConfig', () => {
  let home: string;
  let file: string;
  let service: ConfigService;
  let loaded: { changed: readonly string[]; needsRestart: readonly string[] }[];
  let refused: StewardError[];

  beforeEach(async () => {
    home = await mkdtemp(join(tmpdir(), 'steward-watch-'));
    file = join(home, 'steward.yaml');
    loaded = [];
    refused = [];
    await writeFile(file, 'monitoring: {every: 10s}\n');
  });

  afterEach(async () => {
    await service.close();
    await rm(home, { recursive: true, force: true });
  });

  async function start(pollMs = 60_000): Promise<void> {
    const location = { file, named: false };
    service = await watchConfig({
      initial: await loadConfig(location, { home, overrides: [] }),
      location,
      overrides: [],
      home,
      log: silent,
      debounceMs: 30,
      pollMs,
      onLoaded: async (change) => void loaded.push(change),
      onRejected: async (error) => void refused.push(error),
    });
  }

  const every = () => service.current().config.monitoring.every;
  const becomes = (expected: string) => vi.waitFor(() => expect(every()).toBe(expected), { timeout: 10_000 });

  it('takes a file that is written in place', async () => {
    await start();
    const heard: string[] = [];
    service.subscribe((next, previous) => void heard.push(`${previous.monitoring.every} -> ${next.monitoring.every}`));

    await writeFile(file, 'monitoring: {every: 20s}\n');

    await becomes('20s');
    expect(heard).toEqual(['10s -> 20s']);
    await vi.waitFor(() => expect(loaded).toMatchObject([{ changed: ['monitoring'], needsRestart: [] }]));
  });

  it('takes a file that an editor renames into its place, again and again', async () => {
    await start();

    for (const value of ['21s', '22s', '23s']) {
      await writeFile(join(home, '.steward.yaml.swp'), `monitoring: {every: ${value}}\n`);
      await rename(join(home, '.steward.yaml.swp'), file);
      await becomes(value);
    }
  });

  it('takes a file that is moved away and written anew', async () => {
    await start();

    await rename(file, `${file}~`);
    await writeFile(file, 'monitoring: {every: 24s}\n');

    await becomes('24s');
    expect(refused).toEqual([]);
  });

  it('takes a link that points elsewhere, as in a mounted ConfigMap', async () => {
    await writeFile(join(home, 'one'), 'monitoring: {every: 31s}\n');
    await writeFile(join(home, 'two'), 'monitoring: {every: 32s}\n');
    await symlink(join(home, 'one'), join(home, '..data'));
    await unlink(file);
    await symlink(join(home, '..data'), file);
    await start();
    expect(every()).toBe('31s');

    await symlink(join(home, 'two'), join(home, '..next'));
    await rename(join(home, '..next'), join(home, '..data'));

    await becomes('32s');
  });

  it('keeps the last good one in force while the file is broken, tells once, and takes the correction', async () => {
    await start();

    await writeFile(file, 'monitoring: {every: soon}\n');
    await vi.waitFor(() => expect(refused).toHaveLength(1), { timeout: 10_000 });
    await service.reload();

    expect(every()).toBe('10s');
    expect(refused).toHaveLength(1);
    expect(service.rejected()?.problems).toEqual([
      { path: 'steward.yaml:1:21 monitoring.every', message: 'expected a duration such as 30s, 5m or 1h30m' },
    ]);

    await writeFile(file, 'monitoring: {every: 10s}\n');
    await vi.waitFor(() => expect(service.rejected()).toBeUndefined(), { timeout: 10_000 });
  });

  it('keeps what is in force when the file disappears', async () => {
    await start();

    await unlink(file);
    await vi.waitFor(() => expect(refused).toHaveLength(1), { timeout: 10_000 });

    expect(every()).toBe('10s');
    expect(refused[0]?.message).toContain('does not exist');
  });

  it('starts the next time from what was good, also where the edit broke the file while Steward ran', async () => {
    await start();
    await writeFile(file, 'monitoring: {every: 41s}\n');
    await becomes('41s');
    await writeFile(file, ': : :\n');
    await service.close();

    const next = await loadConfig({ file, named: false }, { home, overrides: [] });

    expect(next).toMatchObject({ source: 'last-good', config: { monitoring: { every: '41s' } } });
    refused.length = 0;
    await start();
    expect(refused).toMatchObject([{ code: 'CONFIG_INVALID' }]);
    expect(every()).toBe('41s');
  });

  it('notices by polling what the file system does not tell', async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), 'steward-watch-target-'));
    await writeFile(join(elsewhere, 'real.yaml'), 'monitoring: {every: 51s}\n');
    await unlink(file);
    await symlink(join(elsewhere, 'real.yaml'), file);
    await start(50);

    await writeFile(join(elsewhere, 'real.yaml'), 'monitoring: {every: 52s}\n');

    await becomes('52s');
    await rm(elsewhere, { recursive: true });
  });

  it('names the sections that need a new start', async () => {
    await start();

    await writeFile(file, 'monitoring: {every: 10s}\nserver: {port: 4000}\n');

    await vi.waitFor(() => expect(loaded).toEqual([{ file, changed: ['server'], needsRestart: ['server'] }]), {
      timeout: 10_000,
    });
  });

  it('does not take the emptied file of a slow writer for a configuration', async () => {
    await start();

    await truncate(file, 0);
    await writeFile(file, 'monitoring: {every: 61s}\n');

    await becomes('61s');
    await vi.waitFor(() => expect(loaded).toHaveLength(1));
  });
});
