import { join } from 'node:path';
import { readdirSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { RedisSource } from '../../../core/backup/source.ts';
import type { DatabaseEngine } from '../../../core/database/engine.ts';
import { DatabaseLook } from '../../../core/database/look.ts';
import { TaskDone } from '../../../core/database/task.ts';
import { freePort, hasProgram, type RunningProgram, startProgram } from '../../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { connectRedis, infoOf, type RedisClient } from '../../sources/redis/client.ts';
import { createRedisEngine } from './index.ts';

const doing = { signal: new AbortController().signal };
const PASSWORD = 's3cret';
const task = { kind: 'defragment', database: 'all', reason: 'asked for' } as const;
let folder: TempFolder;
let scratch: string;
let server: RunningProgram;
let port: number;
let client: RedisClient;
let engine: DatabaseEngine<'redis'>;

const source = (more: object = {}) =>
  RedisSource.parse({ kind: 'redis', name: 'cache', port, password: { env: 'REDIS_PASSWORD' }, ...more });

const SETTINGS = '--enable-debug-command yes --enable-protected-configs yes --repl-diskless-sync-delay 0'.split(' ');

async function started(at: number, ...args: string[]): Promise<RunningProgram> {
  return await startProgram({
    program: 'redis-server',
    args: ['--port', String(at), '--bind', '127.0.0.1', '--save', '', ...SETTINGS, ...args],
    cwd: folder.path,
    ready: { port: at },
  });
}

describe.skipIf(!hasProgram('redis-server'))('a Redis that is kept fit', () => {
  beforeAll(async () => {
    folder = await tempFolder('stw-fit');
    scratch = join(folder.path, 'scratch');
    port = await freePort();
    server = await started(port, '--requirepass', PASSWORD);
    client = await connectRedis({ host: '127.0.0.1', port, password: PASSWORD }, doing.signal);
    engine = createRedisEngine({
      scratch,
      now: () => new Date('2026-11-29T20:15:00Z'),
      secrets: async () => PASSWORD,
    });
  });
  afterAll(async () => {
    client?.close();
    await server?.stop();
    await folder?.remove();
  });

  it('tells memory, connections and slow commands, without a key or a value', async () => {
    await client.ask('SET', 'customer:secret-key', 'secret-value');
    await client.ask(
      'EVAL',
      'local t = redis.call("time"); repeat local n = redis.call("time") until (n[1] - t[1]) * 1000000 + n[2] - t[2] > 30000',
      1,
      'secret-key',
      'secret-value',
    );
    const look = await engine.look({ source: source() }, { slowMs: 20 }, doing);
    expect(DatabaseLook.parse(look)).toEqual(look);
    expect(look).toMatchObject({
      source: 'cache',
      kind: 'redis',
      version: expect.stringMatching(/^\d+\./),
      at: '2026-11-29T20:15:00.000Z',
      databases: [{ name: 'all' }],
      connections: { used: 2, limit: 10_000, refused: 0 },
      memory: { keys: 1, evictedKeys: 0 },
      replicas: [],
      slow: [{ database: 'all', statement: 'EVAL ? ? ? ...', calls: 1 }],
      warnings: [],
      blind: [],
    });
    expect(look.slow[0]?.meanMs).toBeGreaterThanOrEqual(30);
    expect(look.fragmentation, 'so little data says nothing').toBeUndefined();
    expect(JSON.stringify(look)).not.toContain('secret');
  });

  it('tells what it is blind for, and the rights that open its eyes', async () => {
    await client.ask('ACL', 'SETUSER', 'steward', 'reset', 'on', `>${PASSWORD}`, '+ping');
    const mine = source({ user: 'steward' });
    await expect(engine.look({ source: mine }, { slowMs: 20 }, doing)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      hint: 'ACL SETUSER steward +info',
    });
    await client.ask('ACL', 'SETUSER', 'steward', '+info');
    const blind = async () => (await engine.look({ source: mine }, { slowMs: 20 }, doing)).blind;
    const said: string[] = [];
    for (let round = 0; round < 3; round += 1) {
      const [first] = await blind();
      if (!first) break;
      said.push(first.hint);
      await client.ask(...first.hint.split(' '));
    }
    expect(said).toEqual(['ACL SETUSER steward +slowlog|get', 'ACL SETUSER steward +config|get']);
    await client.ask('CONFIG', 'SET', 'slowlog-log-slower-than', 50_000);
    expect(await blind()).toEqual([
      { what: 'slow queries below 50 ms', hint: expect.stringContaining('slowlog-log-slower-than 20000') },
    ]);
    await client.ask('CONFIG', 'SET', 'slowlog-log-slower-than', -1);
    expect(await blind()).toMatchObject([{ what: 'slow queries' }]);
    await client.ask('CONFIG', 'SET', 'slowlog-log-slower-than', 10_000);
    await expect(engine.perform({ source: mine }, task, doing)).rejects.toMatchObject({
      code: 'FORBIDDEN',
      hint: expect.stringContaining('+memory|purge'),
    });
  });

  it('warns of what the server itself says is wrong, and knows how far its replicas are', async () => {
    const other = await freePort();
    await using replica = await started(other, '--replicaof', `127.0.0.1 ${port}`, '--masterauth', PASSWORD);
    expect(replica.pid).toBeGreaterThan(0);
    await vi.waitFor(
      async () =>
        expect((await engine.look({ source: source() }, { slowMs: 20 }, doing)).replicas).toEqual([
          { name: `127.0.0.1:${other}`, lagSeconds: expect.any(Number), lagBytes: expect.any(Number) },
        ]),
      { timeout: 10_000, interval: 50 },
    );
    const below = await engine.look({ source: source({ port: other, password: undefined }) }, { slowMs: 20 }, doing);
    expect(below.replicas).toMatchObject([{ name: `this server, of 127.0.0.1:${port}`, lagBytes: null }]);
    await client.ask('CONFIG', 'SET', 'maxmemory', 1_100_000);
    await client.ask('CONFIG', 'SET', 'dir', '/proc');
    await client.ask('BGSAVE');
    await vi.waitFor(
      async () => expect(infoOf(await client.text('INFO', 'persistence'), 'rdb_last_bgsave_status')).toBe('err'),
      { timeout: 10_000, interval: 50 },
    );
    const { warnings = [] } = await engine.look({ source: source() }, { slowMs: 20 }, doing);
    expect(warnings.map(({ what }) => what)).toEqual([
      expect.stringContaining('last save failed'),
      expect.stringContaining('of maxmemory is used'),
    ]);
    await client.ask('CONFIG', 'SET', 'maxmemory', 0);
    await client.ask('CONFIG', 'SET', 'dir', folder.path);
  });

  it('gives back what the allocator keeps where the build cannot move data, and loses no key', async () => {
    await client.ask('DEBUG', 'POPULATE', 30_000, 'held', 4_000);
    await client.ask('DEBUG', 'POPULATE', 20_000, 'gone', 4_000);
    expect((await engine.look({ source: source() }, { slowMs: 20 }, doing)).fragmentation).toBeGreaterThan(1);
    await client.ask('EVAL', 'for i = 0, 19999 do redis.call("unlink", "gone:" .. i) end', 0);
    const keys = await client.ask('DBSIZE');
    const done = await engine.perform({ source: source() }, task, doing);
    expect(TaskDone.parse(done)).toEqual(done);
    expect(done.how).toBe('this build has no active defragmentation; MEMORY PURGE gave back what the allocator kept');
    expect(done.afterBytes ?? 0).toBeLessThan(done.beforeBytes ?? 0);
    expect(await client.ask('DBSIZE')).toBe(keys);
    expect(String(((await client.ask('CONFIG', 'GET', 'activedefrag')) as Buffer[])[1])).toBe('no');
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('refuses what Redis does not know', async () => {
    await expect(engine.perform({ source: source() }, { ...task, kind: 'vacuum' }, doing)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
  });
});
