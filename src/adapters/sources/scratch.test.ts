import { existsSync } from 'node:fs';
import { mkdir, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { memoryLog } from '../../testing/log.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { createBackups } from '../backups/index.ts';
import { borrowedIn, recordBorrowed } from './borrowed.ts';
import { makeScratch, sweepScratch } from './scratch.ts';

describe('what a dead process left', () => {
  it('goes, though something else it left cannot, and that is told', async () => {
    await using folder = await tempFolder();
    const [stuck, free] = await Promise.all(
      ['run_1', 'run_2'].map((owner) => makeScratch(folder.path, { kind: 'redis', owner })),
    );
    const end = async (path: string): Promise<void> => {
      if (path === stuck?.path) throw new Error('its server is gone');
    };
    await expect(sweepScratch(folder.path, 'redis', new Set(['run_1', 'run_2']), end)).rejects.toThrow(
      'its server is gone',
    );
    expect([stuck, free].map((each) => existsSync(each?.path ?? ''))).toEqual([true, false]);
  });

  it('stops nobody who begins anew', async () => {
    const log = memoryLog();
    const nothing = {
      sources: () => [],
      repositories: () => [],
      programs: {},
      scratch: '/nowhere',
      making: new Set<string>(),
      servers: new Map<string, string>(),
    };
    const backups = createBackups({
      ...nothing,
      readers: [
        { sweep: () => Promise.reject(new Error('its server is gone')) },
        { sweep: async () => ['/scratch/redis-1'] },
      ],
      node: 'n',
      now: () => new Date(),
      log,
    } as never);
    expect(await backups.sweep({ signal: new AbortController().signal })).toEqual(['/scratch/redis-1']);
    expect(log.lines).toContainEqual(expect.objectContaining({ level: 'warn' }));
    await expect(backups.sweep({ signal: AbortSignal.abort() })).rejects.toThrow(/abort/);
  });

  it('is known by its name where nobody wrote down whose it is, once it is old', async () => {
    await using folder = await tempFolder();
    const old = new Date(Date.now() - 2 * 86_400_000);
    for (const name of ['sqlite-0123abcd', 'sqlite-4567abcd', 'redis-0123abcd', 'sqlite-mine']) {
      await mkdir(join(folder.path, name));
      await writeFile(join(folder.path, name, 'owner.json'), '{"kind":"sql');
      if (name !== 'sqlite-4567abcd') await utimes(join(folder.path, name), old, old);
    }
    expect(await sweepScratch(folder.path, 'sqlite', new Set(['run_1']))).toEqual([]);
    expect(await sweepScratch(folder.path, 'sqlite', 'all-dead')).toEqual([join(folder.path, 'sqlite-0123abcd')]);
  });

  it('has borrowed nothing where the word of it was cut in two', async () => {
    await using folder = await tempFolder();
    await recordBorrowed(folder.path, { kind: 'postgres' }, ['scratch_1']);
    expect(await borrowedIn(folder.path)).toMatchObject({ databases: ['scratch_1'] });
    expect(await readdir(folder.path)).toEqual(['borrowed.json']);
    await writeFile(join(folder.path, 'borrowed.json'), '');
    expect(await borrowedIn(folder.path)).toBeUndefined();
  });
});
