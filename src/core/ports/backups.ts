import type { Findings, LayerResult, Manifest, ProofLayer } from '../backup/copy.ts';
import type { RestoreTarget, Restored, SourceFacts } from '../backup/reader.ts';
import type { ObjectLock, RenewedLock } from '../backup/object-lock.ts';
import type { BackupRepository } from '../backup/repository.ts';
import type { BackupSource } from '../backup/source.ts';
import type { CopyEntry, CopyName, Doing, RepositoryLock, RepositoryState } from '../backup/store.ts';

/** A sealed copy, where it is. */
export interface CopyPlace {
  readonly source: string;
  readonly repository: string;
  readonly location: string;
}

export interface MadeCopy {
  readonly location: string;
  readonly storedBytes: number;
  readonly manifest: Manifest;
}

/** Copies of this machine's data: how they are made, looked at, restored and removed. Passwords and keys stay behind it. */
export interface BackupsPort {
  sources(): readonly BackupSource[];
  repositories(): readonly BackupRepository[];
  /** NOT_FOUND where the configuration has no such source. */
  examine(source: string, doing: Doing): Promise<SourceFacts>;
  /**
   * What the server of a source says it is, the same by whatever name it is reached; undefined where the source is no server, or
   * where nobody ever got an answer. It does not wait long for one, and does not reject because there is none.
   */
  serverOf(source: string, doing: Doing): Promise<string | undefined>;
  state(repository: string, doing: Doing): Promise<RepositoryState>;
  /** Whether its bucket is locked, where it is to be; undefined where it need not be. Rejects where nobody answers. */
  objectLock(repository: string, doing: Doing): Promise<ObjectLock | undefined>;
  /** Locks again what copies need and what is locked no longer for long; never for less. Undefined where it need not be. */
  renewLock(repository: string, doing: Doing): Promise<RenewedLock | undefined>;
  /** Makes the repository where it does not exist; removes what dead attempts left there, and their locks. */
  tidy(
    repository: string,
    doing: Doing,
  ): Promise<{ readonly removed: readonly string[]; readonly unlocked: readonly RepositoryLock[] }>;
  /** One copy in one repository, sealed last. Where the same copy is sealed there already, that one is given. */
  make(order: CopyName & { readonly repository: string }, doing: Doing): Promise<MadeCopy>;
  /** What its repository holds of it; NOT_FOUND where that is nothing whole. */
  manifest(place: CopyPlace, doing: Doing): Promise<Manifest>;
  /** One layer that only looks. */
  inspect(place: CopyPlace, layer: Extract<ProofLayer, 'bytes' | 'structure'>, doing: Doing): Promise<LayerResult>;
  /** What is in its trees, for browsing. */
  entries(place: CopyPlace, doing: Doing): AsyncIterable<CopyEntry>;
  /** Restores into a throw-away place, looks at it, and removes it: the layers restore, content and application. */
  drill(place: CopyPlace, owner: string, doing: Doing): Promise<Findings>;
  /** What a restore there would replace. */
  occupied(place: CopyPlace, to: RestoreTarget, doing: Doing): Promise<readonly string[]>;
  restore(place: CopyPlace, to: RestoreTarget, doing: Doing): Promise<Restored>;
  /**
   * Puts back what a restore set aside, by the names that it gave; undefined where it is there no more, or where this kind of
   * source has no such way.
   */
  putBack(place: CopyPlace, kept: readonly string[], doing: Doing): Promise<Restored | undefined>;
  /** Removes what a restore set aside, where the kind of source keeps that beside the original; gives what was removed. */
  discard(place: CopyPlace, kept: readonly string[], doing: Doing): Promise<readonly string[]>;
  /** Whether what is at the original now is what the copy recorded. */
  compare(place: CopyPlace, doing: Doing): Promise<LayerResult>;
  remove(place: CopyPlace, doing: Doing): Promise<void>;
  /** Gives back the room of what was removed, where that is work of its own; LOCKED while somebody writes there. */
  compact(repository: string, doing: Doing): Promise<void>;
  /** Ends what drills of dead processes left on this machine. */
  sweep(doing: Doing): Promise<readonly string[]>;
}
