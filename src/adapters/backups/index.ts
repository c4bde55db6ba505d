import type { LayerResult, Manifest } from '../../core/backup/copy.ts';
import type { BackupsPort } from '../../core/ports/backups.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import { compareContents, readContents, tellComparison } from '../sources/contents.ts';
import { reachOf } from './reach.ts';
import { lendSandbox, type SandboxDeps } from './sandbox.ts';
import { smokeTest } from './smoke.ts';

export interface BackupsDeps extends SandboxDeps {
  readonly programs: ProgramsPort;
  /** What this process is making: a sweep leaves it alone. */
  readonly making: Set<string>;
  readonly node: string;
  readonly now: () => Date;
}

/** Sources and repositories, brought together: each knows nothing of the other. */
export function createBackups(deps: BackupsDeps): BackupsPort {
  const { sources, repositories, readers, programs, scratch, making, node, now } = deps;
  const withSandbox = lendSandbox(deps);

  const { sourceNamed, store, readerOf, sealed, sourceOf } = reachOf(deps);

  return {
    sources,
    repositories,

    async examine(name, doing) {
      const source = sourceNamed(name);
      return await readerOf(source.kind).examine(source, doing);
    },

    state: (repository, doing) => store(repository).state(doing),

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
      if (there) {
        const manifest = await held.manifest(there.location, doing);
        return { location: there.location, manifest, storedBytes: storedBytesOf(manifest) };
      }
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

    manifest: ({ repository, location }, doing) => store(repository).manifest(location, doing),

    async inspect(place, layer, doing) {
      if (layer === 'bytes') return await store(place.repository).check(place.location, doing);
      const { reader } = sourceOf(place);
      return await reader.structure(await sealed(place, doing), doing);
    },

    async *entries({ repository, location }, doing) {
      const held = store(repository);
      const { parts } = await held.manifest(location, doing);
      for (const part of parts) {
        if (part.kind === 'tree') yield* held.entries(location, part, doing);
        else yield { path: part.name, kind: 'file', bytes: part.bytes };
      }
    },

    async drill(place, owner, doing) {
      const { smoke } = sourceOf(place).source;
      return await withSandbox({ place, owner, doing }, async (sandbox) => {
        const results: LayerResult[] = [sandbox.restore];
        if (!sandbox.restore.ok) return results;
        results.push(await sandbox.content(doing), ...(await sandbox.assertions(doing)));
        if (smoke) results.push(await smokeTest(smoke, sandbox.environment, { programs, doing }));
        return results;
      });
    },

    async occupied(place, to, doing) {
      const { source, reader } = sourceOf(place);
      return await reader.occupied(source, await sealed(place, doing), to, doing);
    },

    async restore(place, to, doing) {
      const { source, reader } = sourceOf(place);
      return await reader.restore(source, await sealed(place, doing), to, doing);
    },

    async discard(place, kept, doing) {
      const { source, reader } = sourceOf(place);
      return (await reader.discard?.(source, kept, doing)) ?? [];
    },

    async compare(place, doing) {
      const { source, reader } = sourceOf(place);
      const copy = await sealed(place, doing);
      const started = performance.now();
      const comparison = await compareContents(readContents(copy, doing), reader.contents(source, doing, copy));
      const statement = tellComparison(comparison, 'items');
      return { layer: 'content', ok: comparison.ok, statement, durationMs: performance.now() - started };
    },

    remove: ({ repository, location }, doing) => store(repository).remove(location, doing),
    compact: (repository, doing) => store(repository).compact(doing),

    async sweep(doing) {
      const swept = await Promise.all(readers.map((reader) => reader.sweep('all-dead', scratch, doing)));
      return swept.flat();
    },
  };
}

const storedBytesOf = ({ parts }: Manifest): number => parts.reduce((sum, { storedBytes }) => sum + storedBytes, 0);
