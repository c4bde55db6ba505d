import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { ContentItem } from '../../../core/backup/copy.ts';
import { RedisSource } from '../../../core/backup/source.ts';
import type { SourceReader } from '../../../core/backup/reader.ts';
import { StewardError } from '../../../core/errors.ts';
import { backupsOver } from '../../../testing/backup/backups-over.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { freePort, hasProgram, type RunningProgram, startProgram } from '../../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { compareContents, readContents } from '../contents.ts';
import { connectRedis, type RedisClient } from './client.ts';
import { sourceContract } from '../source.contract.ts';
import { createRedisReader } from './index.ts';

const missing = !hasProgram('redis-server');
const doing = { signal: new AbortController().signal };
const PASSWORD = 's3cret';
let folder: TempFolder;
let scratch: string;
let server: RunningProgram;
let port: number;
let client: RedisClient;

const reader = (place = scratch, password = PASSWORD) =>
  createRedisReader({
    programs: createPrograms({ environment: process.env }),
    scratch: place,
    now: () => new Date(),
    secrets: async () => password,
  });
const store = () => plainStore(join(folder.path, 'store'));
const source = (more: object = {}) =>
  RedisSource.parse({ kind: 'redis', name: 'cache', port, password: { env: 'REDIS_PASSWORD' }, ...more });

/** One of each kind, in two databases; keys that expire later and soon. */
async function fill(): Promise<void> {
  const commands: (string | number | Buffer)[][] = [['FLUSHALL'], ['SELECT', 0]];
  for (let index = 0; index < 2_000; index += 1) commands.push(['SET', `plain:${index}`, `value ${index}`]);
  commands.push(
    ['SET', Buffer.from([0, 255, 13, 10, 36]), Buffer.from([13, 10, 0, 254])],
    ['RPUSH', 'list', ...Array.from({ length: 600 }, (_, index) => `item ${index}`)],
    ['SADD', 'set', ...Array.from({ length: 600 }, (_, index) => `member ${index}`)],
    ['HSET', 'hash', ...Array.from({ length: 600 }, (_, index) => [`field ${index}`, `of ${index}`]).flat()],
    ['ZADD', 'sorted', ...Array.from({ length: 600 }, (_, index) => [index / 7, `m ${index}`]).flat()],
    ['XADD', 'stream', '1-1', 'a', 'b'],
    ['XGROUP', 'CREATE', 'stream', 'readers', '0'],
    ['SET', 'later', 'x', 'EX', 100_000],
    ['SET', 'soon', 'x', 'PX', 60_000],
    ['SELECT', 3],
    ['SET', 'elsewhere', 'three'],
    ['SELECT', 0],
  );
  const replies = await client.askAll(commands);
  expect(replies.filter((reply) => typeof reply === 'object' && reply !== null && 'message' in reply)).toEqual([]);
}

beforeAll(async () => {
  folder = await tempFolder('stw-redis');
  scratch = join(folder.path, 'scratch');
  if (missing) return;
  port = await freePort();
  mkdirSync(join(folder.path, 'data'));
  server = await startProgram({
    program: 'redis-server',
    args: ['--port', String(port), '--bind', '127.0.0.1', '--appendonly', 'yes', '--requirepass', PASSWORD],
    cwd: join(folder.path, 'data'),
    ready: { port },
  });
  client = await connectRedis({ host: '127.0.0.1', port, password: PASSWORD }, doing.signal);
}, 60_000);
afterAll(async () => {
  client?.close();
  await server?.stop();
  await folder.remove();
});

const all = async (items: AsyncIterable<ContentItem>): Promise<ContentItem[]> => {
  const list: ContentItem[] = [];
  for await (const item of items) list.push(item);
  return list;
};

describe.skipIf(missing)(`a real Redis with an append-only file${missing ? ' (needs redis-server)' : ''}`, () => {
  it('is copied, proven in a server of its own, destroyed and restored, all its kinds of values with it', async () => {
    await fill();
    expect((await reader().examine(source(), doing)).parts).toEqual([
      expect.stringContaining('db0: 2008'),
      'db3: 1 keys',
    ]);
    const copy = await makeCopy(reader(), source(), store(), doing);
    expect(await all(readContents(copy, doing))).toEqual([
      { name: 'db0', count: 2_006, checksum: expect.any(String) },
      ...[60_000, 100_000_000].map(() => ({
        name: expect.stringMatching(/^db0 expiring until 20.*0:00.000Z$/),
        count: 1,
        checksum: expect.any(String),
      })),
      { name: 'db3', count: 1, checksum: expect.any(String) },
    ]);
    expect(await reader().structure(copy, doing)).toMatchObject({
      ok: true,
      statement: expect.stringContaining('checksum'),
    });
    const sandbox = await reader().sandbox(source(), copy, { scratch, owner: 'run_1' }, doing);
    expect(sandbox.restore).toMatchObject({ ok: true });
    expect(await sandbox.content(doing)).toMatchObject({ ok: true });
    await using inside = await connectRedis(
      { host: sandbox.environment['STEWARD_SANDBOX_HOST'] ?? '', port: 0 },
      doing.signal,
    );
    await inside.ask('HSET', 'hash', 'field 1', 'changed');
    expect(await sandbox.content(doing)).toMatchObject({ ok: false, statement: expect.stringContaining('db0') });
    await sandbox.end();
    await sandbox.end();
    expect(readdirSync(scratch)).toEqual([]);

    await client.ask('FLUSHALL');
    await client.ask('SET', 'intruder', 'x');
    await client.askAll([
      ['SELECT', 7],
      ['SET', 'alien', 'x'],
      ['SELECT', 0],
    ]);
    expect(await reader().occupied(source(), copy, { kind: 'original' }, doing)).toEqual([
      'db0: 1 keys',
      'db7: 1 keys',
    ]);
    await reader().restore(source(), copy, { kind: 'original' }, doing);

    const same = await compareContents(
      readContents(copy, doing),
      reader().contents(source(), doing),
      reader().compares,
    );
    expect(same).toMatchObject({ ok: true, told: true, unsure: { count: 0 } });
    expect(same.same).toBeGreaterThanOrEqual(3);
    expect(await client.ask('GET', 'intruder')).toBeNull();
    expect(await client.ask('GET', Buffer.from([0, 255, 13, 10, 36]))).toEqual(Buffer.from([13, 10, 0, 254]));
    expect(Number(await client.ask('TTL', 'later'))).toBeGreaterThan(99_000);
    expect(String(await client.ask('LINDEX', 'list', 599))).toBe('item 599');
    expect(await client.text('INFO', 'keyspace')).not.toContain('db7');
  }, 60_000);

  it('survives its own restart after a restore: the append-only file has it, too', async () => {
    await fill();
    const copy = await makeCopy(reader(), source(), store(), doing);
    await client.ask('FLUSHALL');
    await reader().restore(source(), copy, { kind: 'original' }, doing);
    client.close();
    await server.stop();
    server = await startProgram({
      program: 'redis-server',
      args: ['--port', String(port), '--bind', '127.0.0.1', '--appendonly', 'yes', '--requirepass', PASSWORD],
      cwd: join(folder.path, 'data'),
      ready: { port },
    });
    // It answers before it has read its file.
    client = await vi.waitFor(() => connectRedis({ host: '127.0.0.1', port, password: PASSWORD }, doing.signal), {
      timeout: 10_000,
    });
    const found = reader().contents(source(), doing);
    expect(await compareContents(readContents(copy, doing), found, reader().compares)).toMatchObject({ ok: true });
  }, 60_000);

  it('has every transaction wholly or not at all, while another process writes', async () => {
    await fill();
    const script = `const { connect } = require('node:net'); const socket = connect(${port}, '127.0.0.1');
      const say = (...words) => '*' + words.length + '\\r\\n' + words.map((word) => '$' + word.length + '\\r\\n' + word + '\\r\\n').join('');
      socket.write(say('AUTH', '${PASSWORD}')); let n = 0; socket.on('data', () => undefined);
      const turn = () => { n += 1; socket.write(say('MULTI') + say('RPUSH', 'left', String(n)) + say('RPUSH', 'right', String(n)) + say('EXEC')); setTimeout(turn, 1); };
      turn(); setTimeout(() => console.log('ready'), 50);`;
    const child: ChildProcess = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    const copy = await makeCopy(reader(), source(), store(), doing);
    const sandbox = await reader().sandbox(source(), copy, { scratch, owner: 'run_1' }, doing);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await using inside = await connectRedis(
      { host: sandbox.environment['STEWARD_SANDBOX_HOST'] ?? '', port: 0 },
      doing.signal,
    );
    const [left, right] = [await inside.ask('LLEN', 'left'), await inside.ask('LLEN', 'right')];
    expect(left).toBeGreaterThan(0);
    expect(left).toBe(right);
    expect(await sandbox.content(doing)).toMatchObject({ ok: true });
    await sandbox.end();
  }, 60_000);

  it('is compared in its keys that expire, too: but for those that have by then, and a store of nothing else proves nothing', async () => {
    await client.ask('FLUSHALL');
    const sessions = Array.from({ length: 500 }, (_, index) => [
      'SET',
      `session:${index}`,
      `of ${index}`,
      'EX',
      3_600 + index,
    ]);
    await client.askAll([...sessions, ['SET', 'soon', 'x', 'PX', 1_500]]);
    const copy = await makeCopy(reader(), source(), store(), doing);
    await sleep(1_600);
    const sandbox = await reader().sandbox(source(), copy, { scratch, owner: 'run_1' }, doing);
    const content = await sandbox.content(doing);
    expect(content).toMatchObject({ ok: true });
    expect(content.unsure).toBeUndefined();
    await using inside = await connectRedis(
      { host: sandbox.environment['STEWARD_SANDBOX_HOST'] ?? '', port: 0 },
      doing.signal,
    );
    await inside.ask('SET', 'session:7', 'forged', 'KEEPTTL');
    expect(await sandbox.content(doing)).toMatchObject({
      ok: false,
      statement: expect.stringContaining('db0 expiring'),
    });
    await inside.ask('SET', 'session:7', 'of 7', 'KEEPTTL');
    await inside.ask('PEXPIRE', 'session:8', 7_200_000);
    expect(await sandbox.content(doing)).toMatchObject({ ok: false });
    await sandbox.end();

    await client.ask('FLUSHALL');
    await reader().restore(source(), copy, { kind: 'original' }, doing);
    const found = reader().contents(source(), doing, copy);
    expect(await compareContents(readContents(copy, doing), found, reader().compares)).toMatchObject({ ok: true });

    await client.askAll([['FLUSHALL'], ['SET', 'session', 'x', 'PX', 1_000]]);
    const short = await makeCopy(reader(), source(), store(), doing);
    await sleep(1_100);
    const later = await reader().sandbox(source(), short, { scratch, owner: 'run_1' }, doing);
    await expect(later.content(doing)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining('have expired since'),
    });
    await later.end();
  }, 60_000);

  it('has nothing of a restore left in it that was killed before it replaced anything, and what others put there stays', async () => {
    await client.ask('FLUSHALL');
    for (let batch = 0; batch < 100; batch += 1)
      await client.askAll(
        Array.from({ length: 1_000 }, (_, index) => ['SET', `key:${batch}:${index}`, 'x'.repeat(100)]),
      );
    const copy = await makeCopy(reader(), source(), store(), doing);
    const script = `
      import { createRedisReader } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)};
      import { createPrograms } from ${JSON.stringify(new URL('../../programs/index.ts', import.meta.url).href)};
      import { plainStore } from ${JSON.stringify(new URL('../../../testing/backup/plain-store.ts', import.meta.url).href)};
      const reader = createRedisReader({ programs: createPrograms({ environment: process.env }), scratch: ${JSON.stringify(scratch)}, now: () => new Date(), secrets: async () => ${JSON.stringify(PASSWORD)} });
      const copy = { store: plainStore(${JSON.stringify(join(folder.path, 'store'))}), location: ${JSON.stringify(copy.location)}, manifest: ${JSON.stringify(copy.manifest)} };
      await reader.restore(${JSON.stringify(source())}, copy, { kind: 'original' }, { signal: new AbortController().signal });`;
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], { stdio: 'inherit' });
    await vi.waitFor(async () => expect(await client.text('INFO', 'keyspace')).toMatch(/^db15:keys=\d{3,}/m), {
      timeout: 30_000,
      interval: 2,
    });
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await client.text('INFO', 'keyspace')).toMatch(/^db15:/m);
    await client.askAll([
      ['SELECT', 14],
      ['SET', 'of others', 'x'],
      ['SELECT', 0],
    ]);
    // The server of the dead one goes with its folder.
    await reader().sweep('all-dead', scratch, doing);
    const keyspace = await client.text('INFO', 'keyspace');
    expect(keyspace).not.toMatch(/^db15:/m);
    expect(keyspace).toMatch(/^db0:keys=100000,[^]*^db14:keys=1,/m);
    expect(readdirSync(scratch)).toEqual([]);
  }, 120_000);

  it('replaces nothing, and leaves nothing, where another took over while it was loaded', async () => {
    await fill();
    const copy = await makeCopy(reader(), source(), store(), doing);
    await client.askAll([['FLUSHALL'], ['SET', 'intruder', 'x']]);
    const lease = async (): Promise<void> => {
      if (/^db15:keys=\d{4}/m.test(await client.text('INFO', 'keyspace')))
        throw new StewardError('LEASE_LOST', 'Another has taken over.');
    };
    const late = reader().restore(source(), copy, { kind: 'original' }, { ...doing, lease });
    await expect(late).rejects.toMatchObject({ code: 'LEASE_LOST' });
    expect(await client.text('INFO', 'keyspace')).toMatch(/^# Keyspace\s+db0:keys=1,\S+\s*$/);
    expect(String(await client.ask('GET', 'intruder'))).toBe('x');
  }, 60_000);

  it('goes into another database of the server, or into a folder, and replaces nothing there', async () => {
    await fill();
    const copy = await makeCopy(reader(), source(), store(), doing);
    await reader().restore(source(), copy, { kind: 'database', name: '5', database: '3' }, doing);
    await client.ask('SELECT', 5);
    expect(String(await client.ask('GET', 'elsewhere'))).toBe('three');
    await client.ask('SELECT', 0);
    await expect(reader().restore(source(), copy, { kind: 'database', name: '5' }, doing)).rejects.toMatchObject({
      code: 'CONFLICT',
    });
    await expect(reader().restore(source(), copy, { kind: 'database', name: 'shop' }, doing)).rejects.toMatchObject({
      code: 'INPUT_INVALID',
    });
    const to = { kind: 'folder', path: join(folder.path, 'elsewhere') } as const;
    await reader().restore(source(), copy, to, doing);
    expect(execFileSync('redis-check-rdb', [join(to.path, 'dump.rdb')]).toString()).toContain('RDB looks OK');
    await expect(reader().restore(source(), copy, to, doing)).rejects.toMatchObject({ code: 'CONFLICT' });
  }, 60_000);

  it('is read from its file by a user who may not be a replica', async () => {
    await fill();
    await client.ask('ACL', 'SETUSER', 'saver', 'on', '>other', '~*', '+@all', '-sync', '-psync');
    const copy = await makeCopy(reader(scratch, 'other'), source({ user: 'saver' }), store(), doing);
    expect((await all(readContents(copy, doing)))[0]).toMatchObject({ name: 'db0', count: 2_006 });
  }, 60_000);

  it('that refuses the login, or is gone, is said: before and while it is copied', async () => {
    expect((await reader(scratch, 'wrong').examine(source(), doing)).problem).toMatchObject({
      message: expect.stringContaining('WRONGPASS'),
    });
    await expect(makeCopy(reader(scratch, 'wrong'), source(), store(), doing)).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    const gone = source({ port: await freePort() });
    await expect(makeCopy(reader(), gone, store(), doing)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(readdirSync(scratch)).toEqual([]);
  });

  it('whose copy was made where no redis-server was, is neither proven nor called wrong by the first drill with one', async () => {
    await fill();
    const without = createRedisReader({
      programs: createPrograms({ environment: { PATH: join(folder.path, 'no programs') } }),
      scratch,
      now: () => new Date(),
      secrets: async () => PASSWORD,
    });
    const copy = await makeCopy(without, source(), store(), doing);
    const backups = backupsOver(copy.store, {
      sources: () => [source()],
      readers: [reader() as unknown as SourceReader],
      programs: createPrograms({ environment: process.env }),
      scratch,
      now: () => new Date(),
    });
    const place = { source: 'cache', repository: copy.store.repository.name, location: copy.location };
    const { layers, obstacle } = await backups.drill(place, 'run_1', doing);
    expect(layers.map(({ layer, ok }) => [layer, ok])).toEqual([['restore', true]]);
    expect(obstacle).toContain('no redis-server was there');
    expect(readdirSync(scratch)).toEqual([]);
  }, 60_000);

  it('whose copy has one wrong byte, or is cut, fails every proof, and is not restored', async () => {
    await fill();
    const copy = await makeCopy(reader(), source(), store(), doing);
    const part = copy.manifest.parts[0];
    const file = join(folder.path, 'store', copy.location, 'dump.rdb');
    await using handle = await open(file, 'r+');
    await handle.write(Buffer.from('\xff'), 0, 1, 5_000);
    await client.ask('SET', 'stays', 'here');
    // As if the place lied about it, too.
    const lying = {
      ...copy,
      store: {
        ...copy.store,
        read: async function* () {
          yield* (await open(file)).createReadStream();
        },
      },
    };
    expect(part?.kind).toBe('image');
    for (const each of [copy, lying]) {
      expect(await reader().structure(each, doing)).toMatchObject({ ok: false });
      const sandbox = await reader().sandbox(source(), each, { scratch, owner: 'run_1' }, doing);
      expect(sandbox.restore.ok).toBe(false);
      expect(await sandbox.content(doing)).toMatchObject({ ok: false });
      await sandbox.end();
      await expect(reader().restore(source(), each, { kind: 'original' }, doing)).rejects.toMatchObject({
        code: 'VERIFICATION_FAILED',
      });
    }
    expect(String(await client.ask('GET', 'stays'))).toBe('here');
    expect(readdirSync(scratch)).toEqual([]);
  }, 60_000);

  it.skipIf(process.getuid?.() !== 0)('does not fit into the scratch folder: said, and nothing is left', async () => {
    await fill();
    await client.ask('SET', 'large', randomBytes(500_000));
    const small = join(folder.path, 'small');
    mkdirSync(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=200k', 'steward-test', small]);
    try {
      await expect(makeCopy(reader(small), source(), store(), doing)).rejects.toMatchObject({ code: 'DISK_FULL' });
      expect(readdirSync(small)).toEqual([]);
    } finally {
      execFileSync('umount', [small]);
    }
  });

  it('the server of a sandbox whose Steward was killed is ended', async () => {
    await fill();
    const copy = await makeCopy(reader(), source(), store(), doing);
    const script = `
      import { createRedisReader } from ${JSON.stringify(new URL('index.ts', import.meta.url).href)};
      import { createPrograms } from ${JSON.stringify(new URL('../../programs/index.ts', import.meta.url).href)};
      import { plainStore } from ${JSON.stringify(new URL('../../../testing/backup/plain-store.ts', import.meta.url).href)};
      const reader = createRedisReader({ programs: createPrograms({ environment: process.env }), scratch: ${JSON.stringify(scratch)}, now: () => new Date(), secrets: async () => '' });
      const copy = { store: plainStore(${JSON.stringify(join(folder.path, 'store'))}), location: ${JSON.stringify(copy.location)}, manifest: ${JSON.stringify(copy.manifest)} };
      const sandbox = await reader.sandbox(${JSON.stringify(source())}, copy, { scratch: ${JSON.stringify(scratch)}, owner: 'run_dead' }, { signal: new AbortController().signal });
      console.log(sandbox.environment.STEWARD_SANDBOX_HOST); setInterval(() => undefined, 1000);`;
    const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [said] = (await once(child.stdout, 'data')) as [Buffer];
    const socket = said.toString().trim();
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(existsSync(socket)).toBe(true);
    expect(await reader().sweep('all-dead', scratch, doing)).toHaveLength(1);
    await expect(connectRedis({ host: socket, port: 0 }, doing.signal)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(readdirSync(scratch)).toEqual([]);
    await rm(socket, { force: true });
  }, 60_000);
});

describe.skipIf(missing)(`Redis, as every source${missing ? ' (needs redis-server)' : ''}`, () => {
  const HOSTILE = Buffer.from([0, 255, 13, 10, 36, 39]);
  const inDatabase = async (database: number, ...commands: (string | number | Buffer)[][]): Promise<unknown[]> => {
    const replies = await client.askAll([['SELECT', database], ...commands, ['SELECT', 0]]);
    return replies.slice(1, -1).map(String);
  };
  sourceContract(async () => {
    await client.ask('FLUSHALL');
    await inDatabase(0, ['SET', HOSTILE, HOSTILE], ['RPUSH', "li'st $(id)", 'a', 'b'], ['SET', 'plain', 'x']);
    await inDatabase(3, ['SET', 'elsewhere', 'three']);
    return {
      reader: reader(),
      source: source(),
      scratch,
      store: join(folder.path, 'contract'),
      state: async () => [
        await inDatabase(0, ['DBSIZE'], ['GET', HOSTILE], ['LRANGE', "li'st $(id)", 0, -1], ['GET', 'plain']),
        await inDatabase(3, ['DBSIZE'], ['GET', 'elsewhere']),
      ],
      ruin: async () => {
        await inDatabase(0, ['DEL', HOSTILE], ['SET', 'alien', 'x']);
        await inDatabase(3, ['FLUSHDB']);
      },
      elsewhere: { kind: 'database', name: '5', database: '3' },
    };
  });
});
