import { lstat, mkdir, readFile, symlink, utimes, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createFiles } from '../src/adapters/files/index.ts';
import { performInMemory } from '../src/testing/perform-in-memory.ts';
import { tempFolder } from '../src/testing/world/temp-folder.ts';
import purgeQuarantine from '../src/automations/purge-quarantine/index.ts';
import cleanTempFiles from '../src/automations/clean-temp-files/index.ts';

const longAgo = new Date(Date.now() - 30 * 86_400_000);
const age = (path: string) => utimes(path, longAgo, longAgo);

describe('clean-temp-files on a real folder', () => {
  it('sets aside what is old and unused, keeps the rest, and gives the space back a week later', async () => {
    await using root = await tempFolder();
    const at = (name: string) => join(root.path, name);
    await mkdir(at('tree/deep'), { recursive: true });
    await writeFile(at('tree/deep/data'), 'x'.repeat(5_000));
    await symlink('data', at('tree/deep/link'));
    for (const name of ['old', 'young', 'open']) await writeFile(at(name), name);
    await symlink('/etc/passwd', at('link'));
    const server = createServer().listen(at('socket'));
    await using held = await open(at('open'));
    for (const name of ['tree/deep/data', 'tree/deep', 'tree', 'old', 'open', 'socket']) await age(at(name));
    const { ino } = await lstat(at('old'));

    const files = createFiles({ roots: [root.path] });
    const run = await performInMemory(cleanTempFiles, { ports: { files }, input: { roots: [root.path] } });
    server.close();

    expect(run).toMatchObject({
      status: 'succeeded',
      output: { moved: 2, left: { 'used lately': 1, 'in use': 1, 'a link': 1, 'a socket, pipe or device': 1 } },
    });
    const [batch = ''] = run.output?.quarantine ?? [];
    expect((await lstat(join(batch, 'old'))).ino).toBe(ino);
    expect(await readFile(join(batch, 'tree/deep/data'), 'utf8')).toHaveLength(5_000);
    expect((await lstat(join(root.path, '.steward-quarantine'))).mode & 0o777).toBe(0o700);
    expect((await held.stat()).size).toBe(4);

    const early = await performInMemory(purgeQuarantine, { ports: { files }, input: { roots: [root.path] } });
    expect(early.plan).toEqual([]);
    const inAWeek = () => new Date(Date.now() + 8 * 86_400_000);
    const purged = await performInMemory(purgeQuarantine, {
      ports: { files },
      input: { roots: [root.path] },
      now: inAWeek,
    });
    expect(purged).toMatchObject({ status: 'succeeded', output: { batches: 1, entries: 5 } });
    await expect(lstat(batch)).rejects.toThrow('ENOENT');
    expect(await readFile('/etc/passwd', 'utf8')).not.toBe('');
  });
});
