import { isDeepStrictEqual } from 'node:util';
import type { Manifest } from '../../core/backup/copy.ts';
import type { SealedCopy, SourceReader } from '../../core/backup/reader.ts';
import type { BackupRepository } from '../../core/backup/repository.ts';
import type { BackupSource, SourceKind } from '../../core/backup/source.ts';
import type { CopyStore, Doing } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';
import type { CopyPlace } from '../../core/ports/backups.ts';
import type { CopyRecord } from '../../core/ports/copies.ts';

export interface ReachDeps {
  readonly sources: () => readonly BackupSource[];
  readonly repositories: () => readonly BackupRepository[];
  readonly storeOf: (repository: BackupRepository) => CopyStore;
  /** Each is given sources of its own kind only. */
  readonly readers: readonly SourceReader[];
  /** What Steward wrote down when the copy there was made; undefined where it wrote nothing down. */
  readonly recorded?: ((place: CopyPlace) => Promise<Pick<CopyRecord, 'id' | 'contents'> | undefined>) | undefined;
}

export interface Reach {
  /** NOT_FOUND where the configuration has none of that name. */
  sourceNamed(name: string): BackupSource;
  /** PRECONDITION_FAILED where the configuration has none of that name: what is not looked for is not missing. */
  store(repository: string): CopyStore;
  readerOf(kind: SourceKind): SourceReader;
  /** VERIFICATION_FAILED where another copy lies there than the one that was made, however whole it is. */
  sealed(place: CopyPlace, doing: Doing): Promise<SealedCopy>;
  /** Its source as it is configured now: where it is reached, and as whom, no copy says. PRECONDITION_FAILED where there is none. */
  sourceOf(place: CopyPlace): { readonly source: BackupSource; readonly reader: SourceReader };
}

/** Sources, repositories and copies by the names that the configuration and the record have for them. */
export function reachOf({ sources, repositories, storeOf, readers, recorded }: ReachDeps): Reach {
  function sourceNamed(name: string): BackupSource {
    const source = sources().find((each) => each.name === name);
    if (source) return source;
    throw new StewardError('NOT_FOUND', `The configuration has no source '${name}' to back up.`, {
      hint: 'See `steward backups` for those there are; backups.sources in steward.yaml names them.',
    });
  }

  function store(name: string): CopyStore {
    const repository = repositories().find((each) => each.name === name);
    if (repository) return storeOf(repository);
    throw new StewardError('PRECONDITION_FAILED', `The configuration has no repository '${name}'.`, {
      hint: 'backups.repositories in steward.yaml names them; a copy there can be read again once it is named again.',
    });
  }

  function readerOf(kind: SourceKind): SourceReader {
    const reader = readers.find((each) => each.kind === kind);
    if (reader) return reader;
    throw new StewardError('NOT_IMPLEMENTED', `Steward cannot back up a source of the kind ${kind} yet.`);
  }

  return {
    sourceNamed,
    store,
    readerOf,
    async sealed(place, doing) {
      const { repository, location } = place;
      const held = store(repository);
      const manifest = await held.manifest(location, doing);
      const made = await recorded?.(place);
      if (made && !isOf(made, manifest)) throw anotherThere(place, made.id, manifest);
      return { store: held, location, manifest };
    },
    sourceOf({ source }) {
      const configured = sources().find(({ name }) => name === source);
      if (configured) return { source: configured, reader: readerOf(configured.kind) };
      throw new StewardError('PRECONDITION_FAILED', `The configuration has no source '${source}' any more.`, {
        hint: 'backups.sources in steward.yaml names them; its copies can be restored again once it is named again.',
      });
    },
  };
}

const isOf = ({ id, contents }: Pick<CopyRecord, 'id' | 'contents'>, { copy, contents: there }: Manifest): boolean =>
  copy === id && (contents === null || isDeepStrictEqual({ ...contents }, { ...there }));

function anotherThere({ repository, location }: CopyPlace, id: string, { copy }: Manifest): StewardError {
  const what = copy === id ? 'does not hold what was copied then' : `is the copy ${copy}`;
  return new StewardError(
    'VERIFICATION_FAILED',
    `What lies at ${location} in ${repository} ${what}: ${id} was made there.`,
    {
      hint: 'Somebody moved, replaced or rolled back what is in the repository. Nothing was restored. Use another copy.',
    },
  );
}
