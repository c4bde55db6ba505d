import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { VolumeSource } from '../../../core/backup/source.ts';
import { makeCopy } from '../../../testing/backup/make-copy.ts';
import { plainStore } from '../../../testing/backup/plain-store.ts';
import { busyboxImage } from '../../../testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../../../testing/world/dockerd.ts';
import { type TempFolder, tempFolder } from '../../../testing/world/temp-folder.ts';
import { createPrograms } from '../../programs/index.ts';
import { sourceContract } from '../source.contract.ts';
import { createVolumeReader } from './index.ts';

const missing = dockerMissing();
const doing = { signal: new AbortController().signal };
let folder: TempFolder;
let scratch: string;
let dockerd: Dockerd;
let place: string;

const reader = (dockerHost = dockerd.host) =>
  createVolumeReader({
    programs: createPrograms({ environment: process.env }),
    scratch,
    now: () => new Date('2026-11-29T20:15:00.123Z'),
    dockerHost,
  });
const store = () => plainStore(join(folder.path, 'store'));
const source = (more: object = {}) => VolumeSource.parse({ kind: 'volume', name: 'notes', volume: 'notes', ...more });
const status = (name: string) => dockerd.docker('inspect', '--format', '{{.State.Status}}', name);

describe.skipIf(missing)(`a Docker volume${missing ? ` (${missing})` : ''}`, () => {
  beforeAll(async () => {
    folder = await tempFolder('stw-volume');
    scratch = join(folder.path, 'scratch');
    dockerd = await startDockerd();
    await busyboxImage(dockerd);
    await dockerd.docker('tag', 'busybox', 'registry.example/postgres:15');
    await dockerd.docker('volume', 'create', 'notes');
    place = await dockerd.docker('volume', 'inspect', '--format', '{{.Mountpoint}}', 'notes');
    await dockerd.docker(
      'run',
      '-d',
      '--name',
      'writer',
      '--network',
      'none',
      '-v',
      'notes:/data',
      'busybox',
      'sleep',
      '100000',
    );
  }, 60_000);
  afterAll(async () => {
    await dockerd?.stop();
    await folder?.remove();
  }, 60_000);

  describe('as every source', () => {
    sourceContract(async () => {
      await dockerd.docker('volume', 'create', 'contract');
      const own = await dockerd.docker('volume', 'inspect', '--format', '{{.Mountpoint}}', 'contract');
      const names = ["it's $(id) `x`", '-rf', 'ü ] [*?', '.hidden'];
      for (const name of names) writeFileSync(join(own, name), `in ${name}`);
      return {
        reader: reader(),
        source: source({ name: 'contract', volume: 'contract' }),
        scratch,
        store: join(folder.path, 'contract'),
        state: async () =>
          readdirSync(own)
            .toSorted()
            .map((name) => [name, readFileSync(join(own, name), 'utf8')]),
        ruin: async () => {
          rmSync(join(own, '-rf'));
          writeFileSync(join(own, '.hidden'), 'something else');
        },
        elsewhere: { kind: 'folder', path: join(folder.path, 'else where') },
      };
    });
  });

  it('is copied while its containers rest, proven, destroyed and restored; what came since is kept beside', async () => {
    for (const name of ['a', 'deep/b', 'cache/c']) {
      mkdirSync(join(place, name, '..'), { recursive: true });
      writeFileSync(join(place, name), `content of ${name}`);
    }
    const quiet = source({
      exclude: ['cache'],
      quiesce: { pause: true, before: ['touch', '/data/before'], after: ['touch', '/data/after'] },
    });
    expect((await reader().examine(source(), doing)).leftOut).toEqual([
      { what: 'what is written meanwhile', why: expect.stringContaining('writer') },
    ]);
    const database = new DatabaseSync(join(place, 'app.db'));
    database.exec("create table t (v); insert into t values ('copied')");
    database.close();
    const live = await makeCopy(reader(), source(), store(), doing);
    expect(live.manifest.parts.flatMap(({ holds = [] }) => holds.map(({ path }) => path))).toEqual([
      join(place, 'app.db'),
    ]);
    const copy = await makeCopy(reader(), quiet, store(), doing);
    // At rest it is a file like others.
    expect(copy.manifest.parts.map(({ kind }) => kind)).toEqual(['tree', 'contents']);
    expect(await status('writer')).toBe('running');
    expect(existsSync(join(place, 'after'))).toBe(true);
    expect(await reader().structure(copy, doing)).toMatchObject({ ok: true });
    const sandbox = await reader().sandbox(quiet, copy, { scratch, owner: 'run_1' }, doing);
    expect(await sandbox.content(doing)).toMatchObject({ ok: true });
    const restored = join(sandbox.environment['STEWARD_SANDBOX_PATH'] ?? '', place);
    expect(readdirSync(restored).toSorted()).toEqual(['a', 'app.db', 'before', 'deep']);
    await sandbox.end();

    await expect(reader().restore(quiet, copy, { kind: 'original' }, doing)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining('writer'),
    });
    expect((await reader().occupied(quiet, copy, { kind: 'original' }, doing)).at(-1)).toContain('writer');
    await dockerd.docker('stop', '--time', '0', 'writer');
    for (const name of readdirSync(place)) rmSync(join(place, name), { recursive: true });
    writeFileSync(join(place, 'came later'), 'x');
    // Started while the copy was extracted.
    const begins = { ...doing, lease: () => dockerd.docker('start', 'writer') };
    await expect(reader().restore(quiet, copy, { kind: 'original' }, begins)).rejects.toMatchObject({
      code: 'PRECONDITION_FAILED',
      message: expect.stringContaining('writer'),
    });
    expect(readFileSync(join(place, 'came later'), 'utf8')).toBe('x');
    await dockerd.docker('stop', '--time', '0', 'writer');
    const { kept } = await reader().restore(quiet, copy, { kind: 'original' }, doing);
    expect(readdirSync(place).toSorted()).toEqual(['a', 'app.db', 'before', 'deep']);
    expect(readFileSync(join(place, 'deep/b'), 'utf8')).toBe('content of deep/b');
    expect(readFileSync(join(kept?.[0] ?? '', '_data/came later'), 'utf8')).toBe('x');
    await dockerd.docker('start', 'writer');
    await dockerd.docker('rm', '--force', 'writer');
    await dockerd.docker('volume', 'rm', 'notes');
    await reader().restore(quiet, copy, { kind: 'original' }, doing);
    expect(readFileSync(join(place, 'a'), 'utf8')).toBe('content of a');
    expect(readdirSync(scratch)).toEqual([]);
    await dockerd.docker(
      'run',
      '-d',
      '--name',
      'writer',
      '--network',
      'none',
      '-v',
      'notes:/data',
      'busybox',
      'sleep',
      '100000',
    );
  }, 60_000);

  it('lets its containers go on where reading fails, where a hook fails, and where Steward was killed', async () => {
    rmSync(join(place, 'after'), { force: true });
    const quiet = source({ quiesce: { pause: true, after: ['touch', '/data/after'] } });
    const broken = store();
    const failing = {
      ...broken,
      begin: async (...given: Parameters<typeof broken.begin>) => ({
        ...(await broken.begin(...given)),
        tree: () => Promise.reject(new Error('the place is gone')),
      }),
    };
    await expect(makeCopy(reader(), quiet, failing, doing)).rejects.toThrow('the place is gone');
    expect(await status('writer')).toBe('running');
    expect(existsSync(join(place, 'after'))).toBe(true);
    await expect(
      makeCopy(reader(), source({ quiesce: { before: ['sh', '-c', 'echo no room; exit 3'] } }), store(), doing),
    ).rejects.toMatchObject({ code: 'PROGRAM_FAILED', message: expect.stringMatching(/ended with 3: .*no room/) });

    rmSync(join(place, 'after'), { force: true });
    await dockerd.docker('pause', 'writer');
    const id = await dockerd.docker('inspect', '--format', '{{.Id}}', 'writer');
    const left = join(scratch, 'volume-dead');
    mkdirSync(left, { recursive: true });
    writeFileSync(join(left, 'owner.json'), JSON.stringify({ kind: 'volume', owner: 'notes', elsewhere: [] }));
    writeFileSync(
      join(left, 'quiesced.json'),
      JSON.stringify({ paused: [id], after: { container: id, command: ['touch', '/data/after'] } }),
    );
    expect(await reader().sweep('all-dead', scratch, doing)).toEqual([left]);
    expect(await status('writer')).toBe('running');
    expect(existsSync(join(place, 'after'))).toBe(true);
  }, 60_000);

  it('lets all the others go on where one cannot, and that one with the next backup, not amid it', async () => {
    const run = (name: string) =>
      dockerd.docker('run', '-d', '--name', name, '--network', 'none', '-v', 'notes:/data', 'busybox', 'sleep', '9999');
    await run('second');
    await run('third');
    const stuck = await dockerd.docker('inspect', '--format', '{{.Id}}', 'second');
    await using engine = await engineThatRefuses(dockerd.host, `/containers/${stuck}/unpause`);
    const states = async () => await Promise.all(['writer', 'second', 'third'].map(status));
    try {
      rmSync(join(place, 'after'), { force: true });
      const quiet = source({ quiesce: { pause: true, after: ['touch', '/data/after'] } });
      const host = engine.host;
      await expect(makeCopy(reader(host), quiet, store(), doing)).rejects.toThrow(/was not let go on: .*unpause/);
      expect((await states()).toSorted()).toEqual(['paused', 'running', 'running']);
      expect(existsSync(join(place, 'after'))).toBe(true);

      await expect(reader(host).sweep('all-dead', scratch, doing)).rejects.toThrow('unpause');
      engine.refuses = false;
      const begun = store();
      const seen: string[][] = [];
      const watched = {
        ...begun,
        begin: async (...given: Parameters<typeof begun.begin>) => {
          const writer = await begun.begin(...given);
          const tree: typeof writer.tree = async (...asked) => {
            await reader().sweep('all-dead', scratch, doing);
            seen.push(await states());
            return await writer.tree(...asked);
          };
          return { ...writer, tree };
        },
      };
      await makeCopy(reader(host), quiet, watched, doing);
      expect(seen).toEqual([['paused', 'paused', 'paused']]);
      expect(await states()).toEqual(['running', 'running', 'running']);
      expect(readdirSync(scratch)).toEqual([]);
    } finally {
      await dockerd.docker('rm', '--force', 'second', 'third');
    }
  }, 60_000);

  it('of a database is not copied: a source for the database is what it needs', async () => {
    await dockerd.docker(
      'run',
      '-d',
      '--name',
      'shop-db',
      '--network',
      'none',
      '-v',
      'pgdata:/var/lib/postgresql/data',
      'registry.example/postgres:15',
      'sleep',
      '100000',
    );
    const database = source({ volume: 'pgdata' });
    expect((await reader().examine(database, doing)).problem).toMatchObject({
      message: expect.stringContaining('shop-db'),
      hint: expect.stringContaining('postgres'),
    });
    await expect(makeCopy(reader(), database, store(), doing)).rejects.toMatchObject({ code: 'PRECONDITION_FAILED' });
  }, 60_000);

  it('that is gone, or whose engine is, is said', async () => {
    expect((await reader().examine(source({ volume: 'nothing' }), doing)).problem?.message).toContain('nothing');
    const away = createVolumeReader({
      programs: createPrograms({ environment: {} }),
      scratch,
      now: () => new Date(),
      dockerHost: 'unix:///nowhere',
    });
    await expect(makeCopy(away, source(), store(), doing)).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});

/** The engine, but for one thing that it refuses for as long as it is told to. */
async function engineThatRefuses(host: string, what: string) {
  const engine = { host: '', refuses: true, [Symbol.asyncDispose]: async (): Promise<void> => undefined };
  const socketPath = host.replace(/^unix:\/\//, '');
  const server = createServer((asked, answer) => {
    if (engine.refuses && asked.url?.includes(what)) {
      answer.writeHead(500).end(JSON.stringify({ message: 'unpause: the cgroup is busy' }));
      return;
    }
    const { method, url, headers } = asked;
    const inner = request({ socketPath, method, path: url, headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers);
      reply.pipe(answer);
    });
    asked.pipe(inner);
  });
  const own = join(folder.path, 'engine.sock');
  server.listen(own);
  await once(server, 'listening');
  engine.host = `unix://${own}`;
  engine[Symbol.asyncDispose] = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  };
  return engine;
}
