import { createReadStream, createWriteStream } from 'node:fs';
import { copyFile, lstat, mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { LayerResult } from '../../../core/backup/copy.ts';
import type { SealedCopy, SourceFacts, SourceReader } from '../../../core/backup/reader.ts';
import type { SourceOf } from '../../../core/backup/source.ts';
import type { Doing } from '../../../core/backup/store.ts';
import { StewardError } from '../../../core/errors.ts';
import { errnoOf, fileError } from '../../files/file-errors.ts';
import { compareContents, judge, partOf, readContents, writeContents } from '../contents.ts';
import type { SourceDeps } from '../deps.ts';
import { lookAtLayer } from '../layer.ts';
import { makeScratch, type ScratchFolder, sweepScratch } from '../scratch.ts';
import { addressOf, connectRedis, infoOf } from './client.ts';
import { comparesKeys, countKeys, databasesOf, isBareCount } from './count.ts';
import { createClaims, releaseLeft } from './claims.ts';
import { loadInto, replaceAll } from './load-into.ts';
import type { Reaching } from '../reaching.ts';
import { snapshotOf } from './snapshot.ts';
import { endLeft, findServer, noServer, RDB, startThrowAway, type ThrowAway } from './throw-away.ts';

const KIND = 'redis';
const UNCOUNTED = 'the counts of its keys';
/** What a server takes at least, beside its data. */
const BASE_MEMORY = 256 * 1024 ** 2;

/** By the snapshot that a replica begins with; counted and proven in a server of our own, on a socket that only we can see. */
export function createRedisReader(deps: SourceDeps & Reaching): SourceReader<'redis'> {
  const { programs, scratch, now } = deps;
  const dumpOf = (copy: SealedCopy) => partOf(copy, ({ kind }) => kind === 'image', 'its dump.rdb');

  /** Loaded with the file that lies in the folder. */
  async function loaded(folder: ScratchFolder, memory: number, signal: AbortSignal): Promise<ThrowAway> {
    const server = await findServer(programs, signal);
    if (!server) throw noServer();
    return startThrowAway(folder, server, { programs, signal, memoryLimit: BASE_MEMORY + 3 * memory });
  }

  async function fetched(copy: SealedCopy, file: string, doing: Doing): Promise<void> {
    try {
      await pipeline(
        copy.store.read(copy.location, dumpOf(copy), doing),
        createWriteStream(file, { mode: 0o600, flags: 'wx' }),
        {
          signal: doing.signal,
        },
      );
    } catch (thrown) {
      throw errnoOf(thrown) === undefined ? thrown : fileError(file, thrown);
    }
  }

  const within = async <T>(owner: string, room: number, work: (folder: ScratchFolder) => Promise<T>): Promise<T> => {
    const folder = await makeScratch(scratch, { kind: KIND, owner, room });
    try {
      return await work(folder);
    } finally {
      await folder.remove();
    }
  };

  const memoryOf = ({ manifest }: SealedCopy): number =>
    Number(manifest.tools['memory'] ?? 0) || dumpOf({ manifest } as SealedCopy).bytes * 10;

  /** The snapshot in the folder, and what is in it where a server is here that can load it. */
  async function taken(source: SourceOf<'redis'>, folder: ScratchFolder, doing: Doing, bare = false) {
    const address = await addressOf(source, deps);
    const info = await (async () => {
      await using client = await connectRedis(address, doing.signal);
      return await client.text('INFO');
    })();
    const memory = Number(infoOf(info, 'used_memory') ?? 0);
    const file = join(folder.path, RDB);
    try {
      await pipeline(measured(snapshotOf(address, doing.signal), doing), createWriteStream(file, { mode: 0o600 }));
    } catch (thrown) {
      throw errnoOf(thrown) === undefined ? thrown : fileError(file, thrown);
    }
    const tools = { redis: infoOf(info, 'redis_version') ?? '', memory: String(memory) };
    if (!(await findServer(programs, doing.signal))) return { file, tools, items: undefined };
    const server = await loaded(folder, memory, doing.signal);
    try {
      return { file, tools, items: await countKeys(server.client, { bare }) };
    } finally {
      await server.end();
    }
  }

  return {
    kind: KIND,

    async examine(source, { signal }): Promise<SourceFacts> {
      try {
        await using client = await connectRedis(await addressOf(source, deps), signal);
        const info = await client.text('INFO');
        const parts = [...(await databasesOf(client))].map(([database, keys]) => `db${database}: ${keys} keys`);
        const tools = { redis: infoOf(info, 'redis_version') ?? '' };
        const cluster = infoOf(info, 'cluster_enabled') === '1';
        const leftOut = cluster ? [{ what: 'the other nodes of its cluster', why: 'each is a source of its own' }] : [];
        const unproven = (await findServer(programs, signal)) ? [] : [{ what: 'its proof', why: noServer().message }];
        return {
          parts,
          leftOut: [...leftOut, ...unproven],
          estimatedBytes: Number(infoOf(info, 'used_memory_dataset') ?? 0) || undefined,
          tools,
        };
      } catch (thrown) {
        const { message, hint = '', code } = StewardError.from(thrown);
        if (code === 'CANCELED') throw thrown;
        return { parts: [], leftOut: [], estimatedBytes: undefined, tools: {}, problem: { message, hint } };
      }
    },

    async server(source, { signal }) {
      await using client = await connectRedis(await addressOf(source, deps), signal);
      return infoOf(await client.text('INFO', 'server'), 'run_id');
    },

    copy: (source, writer, doing) =>
      within(source.name, 0, async (folder) => {
        const snapshotAt = now();
        const { file, tools, items } = await taken(source, folder, doing);
        const image = await writer.part(
          { name: RDB, kind: 'image' },
          createReadStream(file, { highWaterMark: 1024 ** 2 }),
        );
        const { part, contents } = await writeContents(writer, items ?? []);
        const leftOut = items ? [] : [{ what: UNCOUNTED, why: noServer().message }];
        return { snapshotAt, parts: [image, part], contents, leftOut, tools };
      }),

    structure: (copy, doing) =>
      lookAtLayer('structure', () =>
        within(copy.manifest.copy, dumpOf(copy).bytes, async (folder) => {
          const file = join(folder.path, RDB);
          await fetched(copy, file, doing);
          try {
            const args = [file];
            const { exitCode, stdout } = await programs.run({
              program: 'redis-check-rdb',
              args,
              timeoutMs: 3_600_000,
              signal: doing.signal,
            });
            const said =
              stdout
                .trim()
                .split('\n')
                .findLast((line) => !line.startsWith('[info]')) ?? '';
            return exitCode === 0
              ? { ok: true, statement: 'redis-check-rdb reads it to its end, and its checksum is right.' }
              : { ok: false, statement: `redis-check-rdb: ${said.slice(0, 200)}` };
          } catch (thrown) {
            if (StewardError.from(thrown).code !== 'NOT_FOUND') throw thrown;
            return headOf(file);
          }
        }),
      ),

    async sandbox(source, copy, { scratch: place, owner }, doing) {
      const folder = await makeScratch(place, { kind: KIND, owner, room: dumpOf(copy).bytes });
      let server: ThrowAway | undefined;
      const end = async (): Promise<void> => {
        await server?.end();
        await folder.remove();
      };
      const restore = await lookAtLayer('restore', async () => {
        await fetched(copy, join(folder.path, RDB), doing);
        server = await loaded(folder, memoryOf(copy), doing.signal);
        const databases = await databasesOf(server.client);
        const keys = [...databases.values()].reduce((sum, each) => sum + each, 0);
        return { ok: true, statement: `A server of its own loads it: ${keys} keys in ${databases.size} databases.` };
      }).catch(async (thrown: unknown) => {
        await end();
        throw thrown;
      });
      return {
        restore,
        content: (asked) => contentLayer(copy, server, asked),
        assertions: async () => ({ layers: [] }),
        environment: server
          ? { STEWARD_SANDBOX_HOST: server.address.host, STEWARD_SANDBOX_PATH: server.address.host }
          : {},
        ended: server?.ended,
        standIn: server && { own: true, source: standIn(source, server.address.host), called: (database) => database },
        end,
      };
    },

    async occupied(source, copy, to, { signal }) {
      if (to.kind === 'folder') {
        const file = join(to.path, RDB);
        return (await lstat(file).catch(() => undefined)) ? [file] : [];
      }
      await using client = await connectRedis(await addressOf(source, deps), signal);
      const there = await databasesOf(client);
      const told = [...there].map(([database, keys]) => `db${database}: ${keys} keys`);
      return to.kind === 'original' ? told : told.filter((each) => each.startsWith(`db${databaseOf(to.name)}:`));
    },

    async restore(source, copy, to, doing) {
      const startedAt = performance.now();
      const what = await within(copy.manifest.copy, dumpOf(copy).bytes, async (folder) => {
        const file = join(folder.path, RDB);
        if (to.kind === 'folder') {
          await mkdir(to.path, { recursive: true });
          const target = join(to.path, RDB);
          if (await lstat(target).catch(() => undefined))
            throw new StewardError('CONFLICT', `${target} is there already.`, {
              hint: 'Nothing was replaced. Choose another folder.',
            });
          await fetched(copy, file, doing);
          await rename(file, target).catch(() => copyFile(file, target));
          return [target];
        }
        const into =
          to.kind === 'database' ? { database: databaseOf(to.database ?? '0'), into: databaseOf(to.name) } : undefined;
        await using client = await connectRedis(await addressOf(source, deps), doing.signal);
        await fetched(copy, file, doing);
        const server = await loaded(folder, memoryOf(copy), doing.signal);
        const claims = createClaims(folder, source, client);
        try {
          return into
            ? await loadInto(server.client, client, into, claims, doing)
            : await replaceAll(server.client, client, claims, doing);
        } finally {
          await server.end();
        }
      });
      return { what, durationMs: performance.now() - startedAt };
    },

    compares: comparesKeys,

    async *contents(source, doing, copy) {
      const bare = copy !== undefined && (await isBare(copy, doing));
      const items = await within(source.name, 0, async (folder) => (await taken(source, folder, doing, bare)).items);
      if (!items) throw noServer();
      yield* items;
    },

    sweep: (owners, place, { signal }) =>
      sweepScratch(place, KIND, owners, async (folder, elsewhere) => {
        await endLeft([folder, ...elsewhere], signal);
        await releaseLeft(folder, (source) => addressOf(source, deps), signal);
      }),
  };
}

async function contentLayer(copy: SealedCopy, server: ThrowAway | undefined, doing: Doing): Promise<LayerResult> {
  return lookAtLayer('content', async () => {
    if (!server) return { ok: false, statement: 'There is nothing to count: it was not loaded.' };
    if (copy.manifest.contents.items === 0 && copy.manifest.leftOut.some(({ what }) => what === UNCOUNTED))
      throw new StewardError(
        'PRECONDITION_FAILED',
        'Nothing was counted when it was copied, because no redis-server was there: it loads, and there is nothing to compare it with.',
        { hint: 'The next copy is counted.' },
      );
    const found = await countKeys(server.client, { bare: await isBare(copy, doing) });
    return judge(await compareContents(readContents(copy, doing), found, comparesKeys), 'groups of keys');
  });
}

async function isBare(copy: SealedCopy, doing: Doing): Promise<boolean> {
  for await (const item of readContents(copy, doing)) if (isBareCount(item)) return true;
  return false;
}

async function headOf(file: string): Promise<{ ok: boolean; statement: string }> {
  const { size } = await stat(file);
  let head = '';
  for await (const chunk of createReadStream(file, { end: 8 })) head += String(chunk);
  const ok = /^(REDIS|VALKEY)\d+/.test(head) && size > 18;
  return {
    ok,
    statement: ok
      ? 'It begins as a dump of Redis does; redis-check-rdb is not here to read the rest.'
      : 'It does not begin as a dump of Redis does.',
  };
}

async function* measured(content: AsyncIterable<Uint8Array>, { progress }: Doing): AsyncGenerator<Uint8Array> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    progress?.({ bytes, message: 'reading the snapshot' });
    yield chunk;
  }
}

/** The same source, where a throw-away server has it. */
function standIn(source: SourceOf<'redis'>, host: string): SourceOf<'redis'> {
  const { user: _user, password: _password, container: _container, ...rest } = source;
  return { ...rest, host };
}

function databaseOf(name: string): number {
  const database = Number(name.replace(/^db/, ''));
  if (Number.isInteger(database) && database >= 0) return database;
  throw new StewardError('INPUT_INVALID', `${name} is no database of Redis: they have numbers.`, {
    hint: 'Name an empty one: 5.',
  });
}
