import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePort, hasProgram, type RunningProgram, startProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createMemory } from './index.ts';
import { askRedis } from './redis.ts';

const nothing = new AbortController().signal;
const MB = 1024 ** 2;

let folder: TempFolder;
beforeAll(async () => void (folder = await tempFolder('stw-memory')));
afterAll(() => folder.remove());

describe('control groups (files as a kernel of version 2 shows them; this says nothing of what a kernel gives back)', () => {
  const group = (root: string, path: string, cache: number, reclaim = true): void => {
    mkdirSync(join(root, path), { recursive: true });
    writeFileSync(join(root, path, 'memory.current'), `${cache * 2}\n`);
    writeFileSync(join(root, path, 'memory.stat'), `anon 4096\nfile ${cache}\ninactive_file ${cache}\nactive_file 0\n`);
    if (reclaim) writeFileSync(join(root, path, 'memory.reclaim'), '');
  };

  it('finds the outermost group of each unit and container, and asks for a bounded amount of file cache alone', async () => {
    const root = join(folder.path, 'v2');
    const id = 'a'.repeat(64);
    group(root, 'system.slice/shop.service', 5 * MB);
    group(root, 'system.slice/shop.service/worker', 3 * MB);
    group(root, `system.slice/docker-${id}.scope`, 7 * MB);
    group(root, 'user.slice/user-1000.slice/user@1000.service/app.slice/notes.service', 2 * MB);
    writeFileSync(join(root, 'cgroup.controllers'), 'cpu memory\n');
    const memory = createMemory({ root });
    const { groups, missing } = await memory.groups();
    expect(missing).toBeUndefined();
    expect(
      groups.map(({ unit, unitScope, container, cacheBytes }) => [unit ?? container, unitScope, cacheBytes]),
    ).toEqual(
      expect.arrayContaining([
        ['shop.service', 'system', 5 * MB],
        [id, undefined, 7 * MB],
        ['notes.service', 'user', 2 * MB],
      ]),
    );
    expect(groups).toHaveLength(3);

    await memory.reclaim('/system.slice/shop.service', 5 * MB);
    expect(readFileSync(join(root, 'system.slice/shop.service/memory.reclaim'), 'utf8')).toBe(`${5 * MB} swappiness=0`);
    await expect(memory.reclaim('/system.slice/gone.service', 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(memory.reclaim('/../v2/system.slice/shop.service', 1)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('says what is missing: control groups of version 1, and a kernel without memory.reclaim', async () => {
    const v1 = join(folder.path, 'v1');
    mkdirSync(v1);
    expect(await createMemory({ root: v1 }).groups()).toEqual({
      groups: [],
      missing: expect.stringContaining('version 1'),
    });
    const old = join(folder.path, 'old');
    group(old, 'system.slice/shop.service', MB, false);
    writeFileSync(join(old, 'cgroup.controllers'), 'memory\n');
    expect((await createMemory({ root: old }).groups()).missing).toContain('5.19');
  });

  it('looks at the real machine', async () => {
    const { groups, missing } = await createMemory().groups();
    expect(groups.length > 0 || missing !== undefined).toBe(true);
    for (const { path } of groups) expect(existsSync(join('/sys/fs/cgroup', path, 'memory.reclaim'))).toBe(true);
  });
});

const noRedis = !hasProgram('redis-server');
describe.skipIf(noRedis)(`a real Redis${noRedis ? ' (needs redis-server)' : ''}`, () => {
  let server: RunningProgram;
  let login: { host: string; port: number; password: string };
  beforeAll(async () => {
    const port = await freePort();
    login = { host: '127.0.0.1', port, password: 's3cret' };
    server = await startProgram({
      program: 'redis-server',
      args: ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--requirepass', login.password],
      cwd: folder.path,
      ready: { port },
    });
  }, 60_000);
  afterAll(() => server?.stop());

  it('gives back what its allocator kept after its data went, and loses none of the rest', async () => {
    const memory = createMemory();
    await askRedis(login, ['CONFIG', 'SET', 'activedefrag', 'no'], nothing).catch(() => undefined);
    // Kept, as an allocator keeps it that was told to wait before it gives pages back.
    for (const decay of ['dirty_decay_ms', 'muzzy_decay_ms'])
      await askRedis(login, ['DEBUG', 'MALLCTL', `arenas.${decay}`, '-1'], nothing).catch(() => undefined);
    await askRedis(login, ['SET', 'kept', 'value'], nothing);
    await askRedis(login, ['DEBUG', 'POPULATE', '200000', 'key', '400'], nothing).catch(async () => {
      for (let index = 0; index < 200; index += 1)
        await askRedis(login, ['SET', `key:${index}`, 'x'.repeat(400_000)], nothing);
    });
    await askRedis(
      login,
      ['EVAL', "for _, key in ipairs(redis.call('keys', 'key:*')) do redis.call('del', key) end", '0'],
      nothing,
    );
    const before = await memory.redis(login, nothing);
    await memory.purgeRedis(login, nothing);
    const after = await memory.redis(login, nothing);
    expect(before.usedBytes).toBeGreaterThan(0);
    expect(after.residentBytes).toBeLessThan(before.residentBytes);
    expect(await askRedis(login, ['GET', 'kept'], nothing)).toBe('value');
  });

  it('says what Redis said where the password is wrong or missing, and that nobody answers where none does', async () => {
    const memory = createMemory();
    const { host, port } = login;
    await expect(memory.redis({ host, port }, nothing)).rejects.toMatchObject({
      code: 'PROGRAM_FAILED',
      message: expect.stringContaining('NOAUTH'),
    });
    await expect(memory.purgeRedis({ ...login, password: 'wrong' }, nothing)).rejects.toThrow(/WRONGPASS/);
    await expect(memory.redis({ host, port: await freePort() }, nothing)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
  });
});
