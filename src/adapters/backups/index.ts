import { mkdir, readdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Manifest } from '../../core/backup/copy.ts';
import type { RestoreTarget, Restored } from '../../core/backup/reader.ts';
import type { CopyStore, Doing } from '../../core/backup/store.ts';
import type { Log } from '../../core/log.ts';
import { StewardError } from '../../core/errors.ts';
import type { BackupsPort, CopyPlace } from '../../core/ports/backups.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import { compareContents, readContents, tellComparison } from '../sources/contents.ts';
import { reachOf } from './reach.ts';
import { serversOf } from './servers.ts';
import { contentOf, lendSandbox, type SandboxDeps } from './sandbox.ts';
import { extractParts } from './extract-parts.ts';
import { smokeTest } from './smoke.ts';
import { intoMarked, isMark, markOf } from './unfinished-folder.ts';

export interface BackupsDeps extends SandboxDeps {
  readonly programs: ProgramsPort;
  /** What this process is making: a sweep leaves it alone. */
  readonly making: Set<string>;
  /** What the servers of its sources said they are, last. */
  readonly servers: Map<string, string>;
  readonly node: string;
  readonly now: () => Date;
  readonly log: Log;
}

/** Sources and repositories, brought together: each knows nothing of the other. */
export function createBackups(deps: BackupsDeps): BackupsPort {
  const { sources, repositories, readers, programs, scratch, making, node, now, log } = deps;
  const withSandbox = lendSandbox(deps);

  const { sourceNamed, store, readerOf, sealed, sourceOf } = reachOf(deps);

  /** Undefined where it is not whole: what makes a copy count may have been cut in two by a kill. */
  async function manifestOf(held: CopyStore, location: string, doing: Doing): Promise<Manifest | undefined> {
    try {
      return await held.manifest(location, doing);
    } catch (thrown) {
      if (StewardError.from(thrown).code !== 'VERIFICATION_FAILED') throw thrown;
      await held.remove(location, doing);
      return undefined;
    }
  }

  /** What a process left that died goes when somebody begins anew. It is in nobody's way: what cannot go yet goes later. */
  async function sweep(doing: Doing): Promise<readonly string[]> {
    const swept = await Promise.allSettled(readers.map((reader) => reader.sweep('all-dead', scratch, doing)));
    doing.signal.throwIfAborted();
    return swept.flatMap((each) => {
      if (each.status === 'fulfilled') return each.value;
      log.warn('what a dead process left stays for now', { reason: StewardError.from(each.reason).message });
      return [];
    });
  }

  /**
   * Whether a restore goes by the manifest of the copy alone: into a folder, where its source is configured no more, only some of it is
   * wanted, or its kind restores from files that the programs of its server read. Anywhere else it takes the source.
   */
  const byManifest = ({ source }: CopyPlace, to: RestoreTarget): to is Extract<RestoreTarget, { kind: 'folder' }> => {
    if (to.kind !== 'folder') return false;
    const configured = sources().find(({ name }) => name === source);
    return !configured || to.only !== undefined || configured.kind === 'postgres' || configured.kind === 'mysql';
  };

  return {
    sources,
    repositories,

    async examine(name, doing) {
      const source = sourceNamed(name);
      return await readerOf(source.kind).examine(source, doing);
    },

    serverOf: serversOf(deps),

    state: (repository, doing) => store(repository).state(doing),
    objectLock: (repository, doing) => store(repository).objectLock(doing),
    renewLock: (repository, doing) => store(repository).renewLock(doing),

    async tidy(repository, doing) {
      const held = store(repository);
      await held.prepare(doing);
      const unlocked = await held.unlock(doing);
      return { unlocked, removed: await held.sweep(making, doing) };
    },

    async make({ repository, ...copy }, doing) {
      const source = sourceNamed(copy.source);
      const held = store(repository);
      const there = copy.first ? undefined : (await held.list(doing)).find(({ id }) => id === copy.id);
      const manifestThere = there && (await manifestOf(held, there.location, doing));
      if (there && manifestThere)
        return { location: there.location, manifest: manifestThere, storedBytes: storedBytesOf(manifestThere) };
      await sweep(doing);
      making.add(copy.id);
      const writer = await held.begin(copy, doing);
      try {
        const copied = await readerOf(source.kind).copy(source, writer, doing);
        const manifest: Manifest = {
          format: 'steward-copy/1',
          copy: copy.id,
          source: { name: source.name, kind: source.kind },
          node,
          startedAt: copy.at.toISOString(),
          snapshotAt: copied.snapshotAt.toISOString(),
          endedAt: now().toISOString(),
          tools: copied.tools,
          leftOut: [...copied.leftOut],
          parts: [...copied.parts],
          contents: copied.contents,
        };
        const { location, storedBytes } = await writer.seal(manifest);
        return { location, storedBytes, manifest };
      } catch (thrown) {
        await writer.abandon().catch(() => undefined);
        throw thrown;
      } finally {
        making.delete(copy.id);
      }
    },

    manifest: async (place, doing) => (await sealed(place, doing)).manifest,

    async inspect(place, layer, doing) {
      if (layer === 'bytes') {
        const found = await store(place.repository).check(place.location, doing);
        // One that cannot be read at all is told by the check; one that is whole has to be this one, too.
        if (found.ok) await sealed(place, doing);
        return found;
      }
      const { reader } = sourceOf(place);
      return await reader.structure(await sealed(place, doing), doing);
    },

    async *entries(place, doing) {
      const { store: held, location, manifest } = await sealed(place, doing);
      for (const part of manifest.parts) {
        if (part.kind === 'tree') yield* held.entries(location, part, doing);
        else if (part.holds) yield* part.holds.map(({ path, bytes }) => ({ path, kind: 'file' as const, bytes }));
        else yield { path: part.name, kind: 'file', bytes: part.bytes };
      }
    },

    async drill(place, owner, doing) {
      const { smoke } = sourceOf(place).source;
      return await withSandbox({ place, owner, doing, prove: true }, async (sandbox) => {
        if (!sandbox.restore.ok) return { layers: [sandbox.restore] };
        const found = [await contentOf(sandbox, doing), await sandbox.assertions(doing)];
        if (smoke) found.push(await smokeTest(smoke, sandbox.environment, { programs, doing }));
        const obstacles = found.flatMap(({ obstacle = [] }) => obstacle);
        return {
          layers: [sandbox.restore, ...found.flatMap(({ layers }) => layers)],
          ...(obstacles.length > 0 && { obstacle: obstacles.join('; ') }),
        };
      });
    },

    async occupied(place, to, doing) {
      if (byManifest(place, to)) return await readdir(to.path).catch(() => []);
      const { source, reader } = sourceOf(place);
      return await reader.occupied(source, await sealed(place, doing), to, doing);
    },

    async restore(place, to, doing) {
      const parts = byManifest(place, to) ? to : undefined;
      const known = parts ? undefined : sourceOf(place);
      await sweep(doing);
      const copy = await sealed(place, doing);
      const restore = async (): Promise<Restored> => {
        if (known) return await known.reader.restore(known.source, copy, to, doing);
        if (parts) return await extractParts(copy, parts, doing);
        throw new StewardError('INTERNAL', 'Only a folder needs no source.');
      };
      if (to.kind !== 'folder') return await restore();
      await mkdir(dirname(to.path), { recursive: true });
      const restored = await intoMarked(to.path, copy.manifest.copy, restore);
      return { ...restored, kept: [...(restored.kept ?? []), markOf(to.path)] };
    },

    async putBack(place, kept, doing) {
      const { source, reader } = sourceOf(place);
      const names = kept.filter((each) => !isMark(each));
      if (names.length === 0 || !reader.undo) return undefined;
      try {
        return await reader.undo(source, names, doing);
      } catch (thrown) {
        if (StewardError.from(thrown).code === 'NOT_FOUND') return undefined;
        throw thrown;
      }
    },

    async discard(place, kept, doing) {
      const marks = kept.filter(isMark);
      for (const mark of marks) await rm(mark, { force: true });
      const others = kept.filter((each) => !isMark(each));
      if (others.length === 0) return [];
      const { source, reader } = sourceOf(place);
      return (await reader.discard?.(source, others, doing)) ?? [];
    },

    async compare(place, doing) {
      const { source, reader } = sourceOf(place);
      const copy = await sealed(place, doing);
      const started = performance.now();
      const found = reader.contents(source, doing, copy);
      const comparison = await compareContents(readContents(copy, doing), found, reader.compares);
      const { ok, added, counts } = comparison;
      const alone = ok && counts.added > 0 ? ` ${counts.added} more are not in the copy, as ${added[0]}.` : '';
      const statement = tellComparison(comparison, 'items') + alone;
      return { layer: 'content', ok, statement, durationMs: performance.now() - started };
    },

    remove: ({ repository, location }, doing) => store(repository).remove(location, doing),
    compact: (repository, doing) => store(repository).compact(doing),

    sweep,
  };
}

const storedBytesOf = ({ parts }: Manifest): number => parts.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
