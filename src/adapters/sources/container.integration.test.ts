import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SourceReader } from '../../core/backup/reader.ts';
import { BackupSource } from '../../core/backup/source.ts';
import { backupsOver } from '../../testing/backup/backups-over.ts';
import { plainStore } from '../../testing/backup/plain-store.ts';
import { busyboxImage } from '../../testing/world/busybox-image.ts';
import { type Dockerd, dockerMissing, startDockerd } from '../../testing/world/dockerd.ts';
import { ownPrograms } from '../../testing/world/own-programs.ts';
import { nobody } from '../../testing/world/postgres.ts';
import { hasProgram } from '../../testing/world/start-program.ts';
import { type TempFolder, tempFolder } from '../../testing/world/temp-folder.ts';
import { createPrograms } from '../programs/index.ts';
import { createPostgresSource } from './postgres/index.ts';
import { createRedisReader } from './redis/index.ts';

const missing = dockerMissing() ?? (hasProgram('redis-server') ? undefined : 'needs redis-server');
const doing = { signal: new AbortController().signal };
const BIN = '/usr/lib/postgresql/15/bin';

describe.skipIf(missing)(
  `a server in a container that publishes nothing${missing ? ` (${missing})` : ''}`,
  () => {
    let dockerd: Dockerd;
    let folder: TempFolder;

    beforeAll(async () => {
      [dockerd, folder] = await Promise.all([startDockerd({ network: true }), tempFolder('stw-in')]);
      await chmod(folder.path, 0o755);
      await busyboxImage(dockerd);
      await dockerd.docker('network', 'create', '--internal', 'inside');
    }, 120_000);

    afterAll(async () => {
      const containers = await dockerd?.docker('ps', '--all', '--quiet');
      if (containers) await dockerd.docker('rm', '--force', '--volumes', ...containers.split('\n'));
      await dockerd?.docker('network', 'rm', '--force', 'inside').catch(() => undefined);
      await dockerd?.stop();
      await folder?.remove();
    }, 60_000);

    /** A server of this machine's programs, in a network of its own that has no way out. */
    async function serve(name: string, options: readonly string[], ...command: readonly string[]): Promise<void> {
      const where = ['--network=inside', '--tmpfs=/run', ...ownPrograms, ...options];
      await dockerd.docker('run', '--detach', `--name=${name}`, ...where, 'busybox', ...command);
    }
    const inside = (name: string, ...command: readonly string[]): Promise<string> =>
      dockerd.docker('exec', name, ...command);
    const until = async (name: string, ...command: readonly string[]): Promise<void> => {
      await expect.poll(async () => await inside(name, ...command).catch(() => ''), { timeout: 30_000 }).not.toBe('');
    };

    function over(...given: object[]) {
      const deps = {
        programs: createPrograms({ environment: process.env }),
        scratch: join(folder.path, 'scratch'),
        now: () => new Date(),
        secrets: async () => 'known',
        account: async () => nobody,
        dockerHost: dockerd.host,
      };
      const sources = given.map((each) => BackupSource.parse(each));
      const readers = [createRedisReader(deps), createPostgresSource(deps)] as unknown as SourceReader[];
      const store = plainStore(join(folder.path, 'store'));
      return backupsOver(store, { ...deps, sources: () => sources, readers });
    }
    let made = 0;
    const order = (source: string) => {
      made += 1;
      return { id: `copy_${made}`, source, repository: plainStore('').repository.name, at: new Date(), first: true };
    };

    it('is copied by the container’s name, also from its next address, and the copies are proven', async () => {
      const redis = async (value: string): Promise<void> => {
        await serve('cache', [], '/usr/bin/redis-server', '--protected-mode', 'no', '--save', '');
        await until('cache', '/usr/bin/redis-cli', 'set', 'who', value);
      };
      const backups = over({ kind: 'redis', name: 'kept', container: 'cache' });
      const copied = async () => {
        const { location, manifest } = await backups.make(order('kept'), doing);
        const place = { source: 'kept', repository: plainStore('').repository.name, location };
        return {
          manifest,
          drilled: await backups.drill(place, 'test', doing),
          same: await backups.compare(place, doing),
        };
      };
      await redis('first');
      const first = await copied();
      const before = await dockerd.docker(
        'inspect',
        '--format={{.NetworkSettings.Networks.inside.IPAddress}}',
        'cache',
      );
      await dockerd.docker('rm', '--force', 'cache');
      await serve('squatter', [], '/usr/bin/redis-server', '--protected-mode', 'no', '--save', '');
      await redis('second');
      expect(
        await dockerd.docker('inspect', '--format={{.NetworkSettings.Networks.inside.IPAddress}}', 'squatter'),
      ).toBe(before);
      const second = await copied();
      for (const { drilled, same } of [first, second]) {
        expect(drilled.layers.map(({ layer, ok }) => [layer, ok])).toEqual([
          ['restore', true],
          ['content', true],
        ]);
        expect(same.ok).toBe(true);
      }
      expect(second.manifest.contents).not.toEqual(first.manifest.contents);
      expect(await backups.serverOf('kept', doing)).toMatch(/^[0-9a-f]{40}$/);
      await dockerd.docker('rm', '--force', 'cache');
      expect((await backups.examine('kept', doing)).problem?.message).toBe('There is no container cache.');
    });

    it('is dumped where it is a PostgreSQL, instead of the volume that holds its data', async () => {
      const data = join(folder.path, 'data');
      await promisify(execFile)('mkdir', ['-m', '700', data]);
      await promisify(execFile)('chown', ['65534:65534', data]);
      const user = [
        '--user=65534:65534',
        `--volume=${data}:/data`,
        '--volume=/etc/passwd:/etc/passwd:ro',
        '--tmpfs=/dev/shm',
      ];
      const init = `${BIN}/initdb -D /data -U postgres --auth=trust --no-sync -E UTF8 --locale=C.UTF-8 >/dev/null`;
      const start = `echo "host all all all trust" >> /data/pg_hba.conf && exec ${BIN}/postgres -D /data -k /data -c listen_addresses='*' -c fsync=off`;
      await serve('db', user, '/bin/sh', '-c', `${init} && ${start}`);
      const psql = [`${BIN}/psql`, '-h', '/data', '-U', 'postgres', '-Atc'];
      await until('db', ...psql, "select 'up'");
      await inside('db', ...psql, 'create table orders as select n from generate_series(1, 500) n');
      const backups = over({
        kind: 'postgres',
        name: 'shop',
        container: 'db',
        assertions: [{ name: 'all orders', database: 'postgres', sql: 'select count(*) = 500 from public.orders' }],
      });
      const { location } = await backups.make(order('shop'), doing);
      const place = { source: 'shop', repository: plainStore('').repository.name, location };
      const { layers } = await backups.drill(place, 'test', doing);
      expect(layers.map(({ layer, ok, statement }) => [layer, ok, ok ? '' : statement])).toEqual([
        ['restore', true, ''],
        ['content', true, ''],
        ['content', true, ''],
      ]);
    });
  },
  180_000,
);
