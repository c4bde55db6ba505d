import type { SealedCopy, SourceReader } from '../../core/backup/reader.ts';
import type { BackupRepository } from '../../core/backup/repository.ts';
import type { BackupSource, SourceKind } from '../../core/backup/source.ts';
import type { CopyStore, Doing } from '../../core/backup/store.ts';
import { StewardError } from '../../core/errors.ts';
import type { CopyPlace } from '../../core/ports/backups.ts';

export interface ReachDeps {
  readonly sources: () => readonly BackupSource[];
  readonly repositories: () => readonly BackupRepository[];
  readonly storeOf: (repository: BackupRepository) => CopyStore;
  /** Each is given sources of its own kind only. */
  readonly readers: readonly SourceReader[];
}

export interface Reach {
  /** NOT_FOUND where the configuration has none of that name. */
  sourceNamed(name: string): BackupSource;
  /** PRECONDITION_FAILED where the configuration has none of that name: what is not looked for is not missing. */
  store(repository: string): CopyStore;
  readerOf(kind: SourceKind): SourceReader;
  sealed(place: CopyPlace, doing: Doing): Promise<SealedCopy>;
  /** Its source as it is configured now: where it is reached, and as whom, no copy says. PRECONDITION_FAILED where there is none. */
  sourceOf(place: CopyPlace): { readonly source: BackupSource; readonly reader: SourceReader };
}

/** Sources, repositories and copies by the names that the configuration and the record have for them. */
export function reachOf({ sources, repositories, storeOf, readers }: ReachDeps): Reach {
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
    async sealed({ repository, location }, doing) {
      const held = store(repository);
      return { store: held, location, manifest: await held.manifest(location, doing) };
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
