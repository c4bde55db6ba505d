import { readdir, readFile, readlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileNameOf, fileStamp } from '../../core/exports.ts';
import { tempFolder } from '../../testing/world/temp-folder.ts';
import { createExports } from './index.ts';

describe('files for people', () => {
  let folder: Awaited<ReturnType<typeof tempFolder>>;
  beforeEach(async () => {
    folder = await tempFolder();
  });
  afterEach(() => folder.remove());

  it('are there as a whole, with a link to the latest, and nothing else is left', async () => {
    const files = createExports(folder.path);
    for (const text of ['one', 'two']) {
      await files.write('reports', `${text}.json`, text);
      await files.link('reports', 'latest.json', `${text}.json`);
    }
    expect((await readdir(join(folder.path, 'reports'))).toSorted()).toEqual(['latest.json', 'one.json', 'two.json']);
    expect(await readlink(join(folder.path, 'reports/latest.json'))).toBe('two.json');
    expect(await readFile(join(folder.path, 'reports/latest.json'), 'utf8')).toBe('two');
  });

  it('go when they are old, and only those of their kind', async () => {
    const files = createExports(folder.path);
    const long = new Date('2020-01-01');
    for (const name of ['a_1', 'a_2', 'other']) await files.write('logs', name, 'x');
    for (const name of ['a_1', 'other']) await utimes(join(folder.path, 'logs', name), long, long);
    expect(await files.prune('logs', 'a_', new Date('2021-01-01'))).toBe(1);
    expect((await readdir(join(folder.path, 'logs'))).toSorted()).toEqual(['a_2', 'other']);
  });

  it('cannot be led elsewhere, and say what keeps them from being written', async () => {
    const files = createExports(folder.path);
    await expect(files.write('logs', '../x', '')).rejects.toThrow('no name for a file');
    await writeFile(join(folder.path, 'data'), 'in the way');
    await expect(files.write('data/agent-monitor', 'x', '')).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('have names that every file system takes, and no two the same', () => {
    expect(fileNameOf('web-1.example', 'svc_00000001')).toBe('web-1.example');
    expect(fileNameOf('../../etc/passwd', 'svc_00000001')).toBe('etc_passwd-00000001');
    expect(fileNameOf('läufer', 'svc_00000002')).toBe('l_ufer-00000002');
    expect(fileNameOf('…', 'svc_00000003')).toBe('unnamed-00000003');
    expect(fileStamp(new Date('2026-03-31T06:00:01Z'))).toBe('20260331_060001');
  });
});
