import { open } from 'node:fs/promises';
import { mkdir, readdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { hasProgram } from '../../testing/world/start-program.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { createPrograms } from '../programs/index.ts';
import { CACHE_PROGRAMS } from './caches.ts';
import { createStorage } from './index.ts';

const signal = new AbortController().signal;
const programs = createPrograms({ environment: { PATH: process.env['PATH'], HOME: '/nonexistent' } });
const MACHINE = '0123456789abcdef0123456789abcdef';

describe('storage', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  beforeEach(async () => {
    folder = await tempFolder();
  });
  afterEach(() => folder.remove());

  it('measures the file system of a folder', async () => {
    const { device, totalBytes, usedBytes, freeBytes } = await createStorage({ programs }).space(folder.path);
    expect(device).toBe((await stat(folder.path)).dev);
    expect(usedBytes + freeBytes).toBeLessThanOrEqual(totalBytes);
    await expect(createStorage({ programs }).space('/nonexistent/x')).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it.skipIf(!hasProgram('apt-get'))('has apt empty its cache, and leaves alone what has nothing in it', async () => {
    const archives = join(folder.path, 'archives');
    await mkdir(join(archives, 'partial'), { recursive: true });
    await writeFile(join(archives, 'tool_1.0_all.deb'), Buffer.alloc(3_000_000, 'x'));
    const apt = CACHE_PROGRAMS.find(({ id }) => id === 'apt');
    if (!apt) throw new Error('apt is not on the list');
    const clear = ['-o', `Dir::Cache=${folder.path}`, '-o', 'Dir::Cache::archives=archives', ...apt.clear];
    const storage = createStorage({ programs, cachePrograms: [{ ...apt, folder: archives, clear }] });

    const [before] = await storage.caches();
    expect(before).toMatchObject({ id: 'apt', folder: archives });
    expect(before?.bytes).toBeGreaterThanOrEqual(3_000_000);
    await storage.clearCache('apt', { signal });

    expect(await storage.caches()).toEqual([]);
    expect(await readdir(archives)).not.toContain('tool_1.0_all.deb');
  });

  it('says what the program said where it does not empty its cache', async () => {
    const cachePrograms = [
      { id: 'x', holds: '', program: 'sh', folder: folder.path, clear: ['-c', 'echo no >&2; exit 3'] },
    ];
    await expect(createStorage({ programs, cachePrograms }).clearCache('x', { signal })).rejects.toMatchObject({
      code: 'PROGRAM_FAILED',
      message: expect.stringMatching(/ended with 3: no/),
    });
  });

  it('does not list the caches of programs that are not here', async () => {
    const cachePrograms = [
      { id: 'x', holds: '', program: 'steward-no-such-program', folder: ['cache', 'dir'], clear: ['cache', 'purge'] },
    ];
    expect(await createStorage({ programs, cachePrograms }).caches()).toEqual([]);
  });

  it.skipIf(!hasProgram('journalctl'))(
    'removes the oldest closed journals down to a floor, and none that is open',
    async () => {
      const machine = join(folder.path, MACHINE);
      await mkdir(machine);
      const closed = (number: number): string =>
        `system@${'ab'.repeat(16)}-${number.toString(16).padStart(16, '0')}-${(1_700_000_000_000_000 + number).toString(16).padStart(16, '0')}.journal`;
      for (const name of ['system.journal', closed(1), closed(2), closed(3)])
        await writeFile(join(machine, name), Buffer.alloc(8 * 1024 * 1024, 'x'));
      const storage = createStorage({ programs, journalFolder: folder.path });
      const mebibyte = 1024 * 1024;
      expect(await storage.journal()).toMatchObject({ bytes: 32 * mebibyte, closedBytes: 24 * mebibyte });

      await storage.vacuumJournal({ keepBytes: 25 * mebibyte, signal });

      expect((await readdir(machine)).toSorted()).toEqual(['system.journal', closed(2), closed(3)].toSorted());
    },
  );

  it('finds what log rotation left, and nothing that is written to, open, linked or evidence', async () => {
    const old = new Date('2026-01-01T00:00:00Z');
    await mkdir(join(folder.path, 'audit'));
    const names = [
      'syslog',
      'syslog.1',
      'syslog.2.gz',
      'app.log-20260101',
      'app.log',
      'held.1',
      'wtmp.1',
      'auth.log.1',
      'audit/audit.log.1',
    ];
    for (const name of names) {
      await writeFile(join(folder.path, name), name);
      await utimes(join(folder.path, name), old, old);
    }
    await symlink('/etc/passwd', join(folder.path, 'link.1'));
    await using _held = await open(join(folder.path, 'held.1'), 'r');
    const storage = createStorage({ programs, logFolder: folder.path });

    const logs = await storage.rotatedLogs({ signal });

    expect(logs.map(({ path }) => path.slice(folder.path.length + 1)).toSorted()).toEqual([
      'app.log-20260101',
      'syslog.1',
      'syslog.2.gz',
    ]);
    expect(logs[0]?.modifiedAt).toEqual(old);
    const [first] = logs;
    if (!first) throw new Error('none');
    expect(await storage.removeLog(first.path, first.inode + 1)).toBe(false);
    expect(await storage.removeLog(first.path, first.inode)).toBe(true);
    expect(await storage.removeLog(first.path, first.inode)).toBe(false);
    for (const name of ['syslog', 'auth.log.1', 'audit/audit.log.1'])
      await expect(storage.removeLog(join(folder.path, name), 1)).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await expect(storage.removeLog('/etc/passwd.1', 1)).rejects.toMatchObject({ code: 'FORBIDDEN' });
  });
});
