import { lstat } from 'node:fs/promises';
import type { RestoreTarget, SealedCopy, SourceReader } from '../../../core/backup/reader.ts';
import type { SourceKind, SourceOf } from '../../../core/backup/source.ts';
import { StewardError } from '../../../core/errors.ts';
import { fileError } from '../../files/file-errors.ts';
import { readContents } from '../contents.ts';
import { findApart, tellDatabase, tellServer } from '../files/apart.ts';
import { contentsOfTree } from '../files/contents-now.ts';
import { copyTree, createLeftOut } from '../files/copy-tree.ts';
import type { FilesReaderOptions } from '../files/index.ts';
import { comparesTree, sandboxOfTree, structureOfTree } from '../files/prove-tree.ts';
import { occupiedByTree, restoreTree } from '../files/restore-tree.ts';
import { scan } from '../files/scan.ts';
import { undoTree } from '../files/undo-tree.ts';
import { makeScratch, sweepScratch } from '../scratch.ts';
import { createVolumeEngine, type VolumeUser } from './engine.ts';
import { atRest, goOnAfter, VOLUME_KIND } from './quiesce.ts';

export interface VolumeReaderOptions extends FilesReaderOptions {
  /** DOCKER_HOST. */
  readonly dockerHost?: string | undefined;
}

/** Images of databases: their files are of no single instant while they run, and a dump is. */
const DATABASES: readonly (readonly [RegExp, SourceKind])[] = [
  [/(^|[/-])(postgres(ql)?|postgis|timescaledb|pgvector)([:@-]|$)/, 'postgres'],
  [/(^|[/-])(mariadb|mysql|percona)([:@-]|$)/, 'mysql'],
  [/(^|[/-])(redis|valkey|keydb)([:@-]|$)/, 'redis'],
];

/** The files of a Docker volume, by the folder in which the engine keeps it. */
export function createVolumeReader(deps: VolumeReaderOptions): SourceReader<'volume'> {
  const engine = createVolumeEngine(deps.dockerHost);

  async function placeOf({ volume }: SourceOf<'volume'>): Promise<string> {
    const place = await engine.mountpoint(volume);
    if (place === undefined)
      throw new StewardError('NOT_FOUND', `There is no Docker volume ${volume}.`, {
        hint: 'List them: docker volume ls',
      });
    await lstat(place).catch((thrown: unknown) => {
      throw fileError(`${place}, where Docker keeps the volume ${volume}`, thrown);
    });
    return place;
  }

  async function usersOf(source: SourceOf<'volume'>): Promise<readonly VolumeUser[]> {
    const users = await engine.users(source.volume);
    const database = users.find(({ image }) => kindOf(image));
    if (database)
      throw new StewardError(
        'PRECONDITION_FAILED',
        `${source.volume} holds the data of ${database.name}, a database (${database.image}): its files are not copied while it may write to them.`,
        {
          hint: `Configure a source of the kind ${kindOf(database.image)} for it, with container: ${database.name}. A dump is of one instant, and restores anywhere.`,
        },
      );
    return users;
  }

  async function assertUnused({ volume }: SourceOf<'volume'>): Promise<void> {
    const running = (await engine.users(volume)).find(({ state }) => state === 'running');
    if (!running) return;
    throw new StewardError(
      'PRECONDITION_FAILED',
      `${running.name} uses ${volume}: it would write among what is restored.`,
      { hint: `Stop it, restore, and start it again: docker stop ${running.name}. Nothing was changed.` },
    );
  }

  const excludes = (source: SourceOf<'volume'>, place: string): string[] =>
    source.exclude.map((pattern) => (/\//.test(pattern) ? `${place}/${pattern.replace(/^\/+/, '')}` : pattern));

  return {
    kind: 'volume',

    async examine(source, { signal }) {
      try {
        const place = await placeOf(source);
        const users = await usersOf(source);
        const out = createLeftOut();
        let bytes = 0;
        const job = { roots: [place], exclude: excludes(source, place), hash: false } as const;
        for await (const { count } of scan(job, signal, out.add)) bytes += count;
        const { databases, servers } = await findApart({ ...job, named: [] }, signal);
        const writing = users.filter(({ state }) => state === 'running').map(({ name }) => name);
        const { pause, before } = source.quiesce;
        const rests = pause || before !== undefined;
        if (!rests) for (const server of servers) out.add(tellServer(server));
        if (writing.length > 0 && !rests)
          out.add({
            what: 'what is written meanwhile',
            why: `${writing.join(', ')} is not brought to rest: see quiesce`,
          });
        return {
          parts: [source.volume, ...(rests ? [] : databases.map(tellDatabase))],
          leftOut: out.list(),
          estimatedBytes: bytes,
          tools: {},
        };
      } catch (thrown) {
        const { message, hint = '', code } = StewardError.from(thrown);
        if (code === 'CANCELED') throw thrown;
        return { parts: [], leftOut: [], estimatedBytes: undefined, tools: {}, problem: { message, hint } };
      }
    },

    async copy(source, writer, doing) {
      const place = await placeOf(source);
      const users = await usersOf(source);
      const folder = await makeScratch(deps.scratch, { kind: VOLUME_KIND, owner: source.name });
      try {
        const { pause, before } = source.quiesce;
        const tree = {
          name: source.name,
          part: 'volume.tar',
          roots: [place],
          exclude: excludes(source, place),
          atRest: pause || before !== undefined,
        };
        return {
          ...(await atRest(engine, source, users, { folder, scratch: deps.scratch }, () =>
            copyTree(tree, writer, deps, doing),
          )),
          tools: {},
        };
      } finally {
        await folder.remove();
      }
    },

    structure: structureOfTree,
    sandbox: (_, copy, place, doing) => sandboxOfTree(copy, place, doing),

    async occupied(source, copy, to, doing) {
      const there = await occupiedByTree(copy, to, doing, isMirrored(to));
      if (to.kind !== 'original') return there;
      const running = (await engine.users(source.volume)).filter(({ state }) => state === 'running');
      return [...there, ...running.map(({ name }) => `${source.volume} is in use by ${name}: stop it first`)];
    },

    async restore(source, copy, to, doing) {
      if (to.kind === 'original') {
        if ((await engine.mountpoint(source.volume)) === undefined) await engine.create(source.volume);
        const place = await placeOf(source);
        const recorded = await rootOf(copy, doing);
        if (recorded !== place)
          throw new StewardError(
            'PRECONDITION_FAILED',
            `The volume lay in ${recorded} when it was copied, and lies in ${place} now.`,
            {
              hint: 'Restore into a folder, and copy it from there. Nothing was changed.',
            },
          );
        await assertUnused(source);
      }
      // Extracting may take an hour: what was started meanwhile would write among it, too.
      const lease = async (): Promise<void> => {
        await doing.lease?.();
        if (to.kind === 'original') await assertUnused(source);
      };
      return restoreTree(copy, to, { ...deps, mirror: isMirrored(to) }, { ...doing, lease });
    },

    async undo(source, kept, doing) {
      await assertUnused(source);
      return undoTree(kept, doing);
    },

    compares: comparesTree,

    async *contents(source, doing, copy) {
      const place = await placeOf(source);
      yield* contentsOfTree({ name: source.name, roots: [place], exclude: excludes(source, place) }, copy, deps, doing);
    },

    async sweep(owners, scratch) {
      const swept = await sweepScratch(scratch, VOLUME_KIND, owners, (folder) => goOnAfter(engine, folder));
      // What is restored of it carries the kind of a tree, as that of files does.
      return [...swept, ...(await sweepScratch(scratch, 'tree', owners))];
    },
  };
}

const isMirrored = (to: RestoreTarget): boolean => to.kind === 'original' && to.only === undefined;

function kindOf(image: string): SourceKind | undefined {
  return DATABASES.find(([pattern]) => pattern.test(image))?.[1];
}

async function rootOf(copy: SealedCopy, doing: Parameters<typeof readContents>[1]): Promise<string | undefined> {
  for await (const { name } of readContents(copy, doing)) return name;
  return undefined;
}
