import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { busyboxImage } from '../src/testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../src/testing/world/dockerd.ts';
import { startMariadb, type TestMariadb } from '../src/testing/world/mariadb.ts';
import { startPostgres, type TestPostgres } from '../src/testing/world/postgres.ts';
import { freePort, type RunningProgram, startProgram } from '../src/testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../src/testing/world/temp-folder.ts';
import { connectRedis } from '../src/adapters/sources/redis/client.ts';
import { makeHome, removeHome, type RunningSteward, startSteward, steward, stewardJson } from './kit/steward.ts';

interface Run {
  readonly id: string;
  readonly status: string;
  readonly planHash: string;
  readonly error?: { readonly message: string };
}

/** What a kind of source has, as another program tells it, and what becomes of it between a copy and its restore. */
interface Kind {
  state(): Promise<unknown>;
  fill(): Promise<void>;
  ruin(): Promise<void>;
}

const docker = dockerMissing();

// SQLite has its own in backups.integration.test.ts.
describe('a restore over the original asks, takes a safety copy, and can be taken back:', () => {
  let home: string;
  let folder: TempFolder;
  let running: RunningSteward;
  let postgres: TestPostgres;
  let mariadb: TestMariadb;
  let redis: RunningProgram;
  let redisPort: number;
  let dockerd: Dockerd | undefined;
  let who: string[];
  const kinds = new Map<string, Kind>();

  /** Every file below, with its mode. */
  const tree = (root: string): unknown =>
    readdirSync(root, { recursive: true, withFileTypes: true })
      .map((entry) => {
        const path = join(entry.parentPath, entry.name);
        const mode = (statSync(path).mode & 0o777).toString(8);
        return `${path} ${mode} ${entry.isFile() ? readFileSync(path, 'utf8') : ''}`;
      })
      .toSorted();
  const filesIn = (root: string): Kind => ({
    state: async () => tree(root),
    async fill() {
      for (const name of ['kept', 'ruined', 'deleted', 'sub/deleted', 'gone/one', 'gone/two']) {
        mkdirSync(join(root, name, '..'), { recursive: true });
        writeFileSync(join(root, name), `copied ${name}`);
      }
    },
    async ruin() {
      writeFileSync(join(root, 'ruined'), 'ruined');
      writeFileSync(join(root, 'created since'), 'created');
      for (const name of ['deleted', 'sub/deleted', 'gone']) rmSync(join(root, name), { recursive: true });
    },
  });
  const redisSays = async (...commands: (string | number)[][]): Promise<unknown> => {
    await using client = await connectRedis({ host: '127.0.0.1', port: redisPort }, new AbortController().signal);
    return JSON.stringify((await client.askAll(commands)).map(String));
  };

  beforeAll(async () => {
    home = makeHome();
    folder = await tempFolder('stw-undo');
    const data = join(folder.path, 'data');
    mkdirSync(data);
    kinds.set('files', filesIn(data));
    [postgres, mariadb, redisPort] = [await startPostgres(), await startMariadb(), await freePort()];
    redis = await startProgram({
      program: 'redis-server',
      args: ['--port', `${redisPort}`, '--bind', '127.0.0.1', '--dir', folder.path, '--save', ''],
      ready: { output: /Ready to accept connections/ },
    });
    kinds.set('postgres', {
      state: () => postgres.say('shop', 'select what from orders order by what'),
      async fill() {
        await postgres.say('postgres', 'create database shop');
        await postgres.say('shop', 'create table orders (what text)', "insert into orders values ('tea'), ('cake')");
      },
      ruin: async () => void (await postgres.say('shop', "update orders set what = 'nothing' where what = 'tea'")),
    });
    kinds.set('mysql', {
      state: () => mariadb.say('shop', 'select what from orders order by what'),
      async fill() {
        await mariadb.say(undefined, 'create database shop');
        await mariadb.say(
          'shop',
          'create table orders (what varchar(20)) engine=innodb',
          "insert into orders values ('tea'), ('cake')",
        );
      },
      ruin: async () => void (await mariadb.say('shop', "update orders set what = 'nothing' where what = 'tea'")),
    });
    kinds.set('redis', {
      state: () => redisSays(['MGET', 'one', 'two', 'new'], ['DBSIZE']),
      fill: async () => void (await redisSays(['SET', 'one', '1'], ['SET', 'two', '2'])),
      ruin: async () => void (await redisSays(['SET', 'one', 'ruined'], ['DEL', 'two'], ['SET', 'new', '3'])),
    });
    if (docker === undefined) {
      dockerd = await startDockerd();
      await busyboxImage(dockerd);
      await dockerd.docker('volume', 'create', 'notes');
      kinds.set('volume', filesIn(await dockerd.docker('volume', 'inspect', '--format', '{{.Mountpoint}}', 'notes')));
    }
    for (const kind of kinds.values()) await kind.fill();
    const password = { env: 'SERVER_PASSWORD' };
    const config = {
      discovery: { enabled: false },
      machine: { watch: false },
      backups: {
        self: false,
        sources: [
          { name: 'files', kind: 'files', paths: [data] },
          {
            name: 'postgres',
            kind: 'postgres',
            port: postgres.port,
            user: 'postgres',
            password: { env: 'PG_PASSWORD' },
            databases: ['shop'],
          },
          { name: 'mysql', kind: 'mysql', port: mariadb.port, user: 'root', password, databases: ['shop'] },
          { name: 'redis', kind: 'redis', port: redisPort },
          ...(dockerd ? [{ name: 'volume', kind: 'volume', volume: 'notes' }] : []),
        ],
      },
    };
    writeFileSync(join(home, 'steward.yaml'), JSON.stringify(config));
    running = await startSteward({
      home,
      env: {
        SERVER_PASSWORD: mariadb.password,
        PG_PASSWORD: postgres.password,
        ...(dockerd && { DOCKER_HOST: dockerd.host }),
      },
    });
    const file = join(home, 'password');
    writeFileSync(file, 'correct horse battery', { mode: 0o600 });
    await steward(home, ['admin', 'create', 'ada', '--password-file', file]);
    who = ['--name', 'ada', '--password-file', file];
  }, 240_000);

  afterAll(async () => {
    await running?.stop();
    for (const each of [postgres, mariadb]) await each?.[Symbol.asyncDispose]();
    await redis?.stop();
    await dockerd?.stop();
    await folder?.remove();
    if (home) await removeHome(home);
  }, 120_000);

  /** What a person says to a run that waits for it; gives how that ended. */
  const approved = async (args: string[]): Promise<Run> => {
    const asked = await steward(home, [...args, '--wait', '--json']);
    const [waiting] = await stewardJson<Run[]>(home, ['runs', '--status', 'waiting-approval']);
    expect(waiting, asked.stdout + asked.stderr).toBeDefined();
    const { id, planHash } = waiting as Run;
    const { stdout } = await steward(home, ['run', 'approve', id, planHash, ...who, '--wait', '--json']);
    return JSON.parse(stdout) as Run;
  };

  it.each(['files', 'postgres', 'mysql', 'redis', ...(docker === undefined ? ['volume'] : [])])(
    '%s',
    async (name) => {
      const kind = kinds.get(name) as Kind;
      const made = await stewardJson<Run>(home, ['backup', 'run', name, '--wait']);
      expect(made.status).toBe('succeeded');
      const copied = await kind.state();
      await kind.ruin();
      const ruined = await kind.state();
      expect(ruined).not.toEqual(copied);

      const restored = await approved(['backup', 'restore', name]);
      expect([restored.status, restored.error?.message]).toEqual(['succeeded', undefined]);
      const after = await kind.state();
      // What was created since stays among files, and is in the way of nothing.
      const since = name === 'files' ? (ruined as string[]).filter((each) => each.includes('created since')) : [];
      expect(Array.isArray(after) ? after.filter((each) => !since.includes(each)) : after).toEqual(copied);

      const undone = await approved(['run', 'undo', restored.id]);
      expect([undone.status, undone.error?.message]).toEqual(['succeeded', undefined]);
      expect(await kind.state()).toEqual(ruined);
    },
    240_000,
  );
});
