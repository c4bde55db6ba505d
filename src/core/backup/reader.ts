import type { ContentItem, ContentSummary, Findings, LayerResult, Manifest, Part } from './copy.ts';
import type { BackupSource, SourceKind, SourceOf } from './source.ts';
import type { CopyStore, CopyWriter, Doing } from './store.ts';

/** What a look at a source says before anything is copied. */
export interface SourceFacts {
  /** What of it goes into a copy, by name: databases, files, keys. */
  readonly parts: readonly string[];
  readonly leftOut: readonly { readonly what: string; readonly why: string }[];
  readonly estimatedBytes: number | undefined;
  /** Why it cannot be copied now, and what to do. */
  readonly problem?: { readonly message: string; readonly hint: string } | undefined;
  readonly tools: Readonly<Record<string, string>>;
}

export interface Copied {
  readonly snapshotAt: Date;
  readonly parts: readonly Part[];
  readonly contents: ContentSummary;
  readonly leftOut: SourceFacts['leftOut'];
  readonly tools: Readonly<Record<string, string>>;
}

/** A copy in its repository, to be read. */
export interface SealedCopy {
  readonly store: CopyStore;
  readonly location: string;
  readonly manifest: Manifest;
}

/**
 * Where a restore goes. `original` and `database` are on the source's own server; a `database` is new: CONFLICT where there is one that
 * the same owner did not make. `only` picks paths of a tree.
 */
export type RestoreTarget =
  | { readonly kind: 'original'; readonly only?: readonly string[] | undefined }
  | { readonly kind: 'database'; readonly name: string; readonly database?: string | undefined }
  | { readonly kind: 'folder'; readonly path: string; readonly only?: readonly string[] | undefined };

export interface Restored {
  readonly what: readonly string[];
  readonly durationMs: number;
  /** Where what was replaced lies now, for whoever wants it back. */
  readonly kept?: readonly string[] | undefined;
}

/** A sandbox as a source of the same kind: whoever can work on the original by its code can work there. */
export interface StandIn {
  /**
   * Whether nothing of the original is there. Where this machine could not start a server, it is false: the copy lies beside the
   * original, in the same server, and what names another database, a user or the server itself meets the original.
   */
  readonly own: boolean;
  readonly source: BackupSource;
  /** What a database of the original is called there; undefined where the copy has none of that name. */
  called(database: string): string | undefined;
}

export interface SandboxPlace {
  readonly scratch: string;
  readonly owner: string;
  /**
   * What to do where this machine can start no server: `never` put it beside the original (NOT_IMPLEMENTED), or only where it is
   * `seen` that its server has room for it (PRECONDITION_FAILED). By default it is put there unless the disk is seen to be too
   * small (DISK_FULL), for a drill has no other place.
   */
  readonly beside?: 'never' | 'seen' | undefined;
  /** Its content will be asked for before anything changes there: it may be counted while the rest is still restored. */
  readonly prove?: boolean | undefined;
}

/** A throw-away place that holds a restored copy: a server of its own, else databases beside the original; a file, a folder. */
export interface Sandbox {
  /** Layer restore, and what it took: the measured RTO. */
  readonly restore: LayerResult;
  /**
   * Counted and hashed in the sandbox, and compared with what was recorded when the copy was made. PRECONDITION_FAILED where nothing
   * was recorded that could be compared: that is no fault of the copy, and no proof.
   */
  content(doing: Doing): Promise<LayerResult>;
  /** User assertions; none where there are none. One that could not be asked is an obstacle. */
  assertions(doing: Doing): Promise<Findings>;
  /** How a program reaches it: STEWARD_SANDBOX_HOST, _PORT, _USER, _PASSWORD, _PATH. */
  readonly environment: Readonly<Record<string, string>>;
  /** Resolves when its server is gone, whoever ended it; undefined where it has none of its own. */
  readonly ended?: Promise<unknown> | undefined;
  /** Undefined where nothing was restored, and where the source is no database that is reached by its address. */
  readonly standIn?: StandIn | undefined;
  /** Ends and removes it. Harmless twice. */
  end(): Promise<void>;
}

/** How what is there is compared with what was recorded, where not everything has to be equal. */
export interface Compares {
  /** By default they are: as another user than root a tree cannot be given its owners back. */
  readonly attributes?: ((item: ContentItem) => string | undefined) | undefined;
  /** What is there beside what was recorded is no difference. */
  readonly mayAdd?: boolean | undefined;
  /** Whether its being equal says something: that a folder is one again says nothing of what was in it. */
  readonly tells?: ((item: ContentItem) => boolean) | undefined;
  /** Asked once both sides have been counted: what was to be gone by then by itself. That is neither missing nor added. */
  readonly lapsed?: (() => (item: ContentItem) => boolean) | undefined;
}

/**
 * How one kind of source is copied, checked and restored. Implementations are adapters; one contract for all:
 * src/adapters/sources/source.contract.ts.
 */
export interface SourceReader<Kind extends SourceKind = SourceKind> {
  readonly kind: Kind;
  examine(source: SourceOf<Kind>, doing: Doing): Promise<SourceFacts>;
  /** What the server says it is, by whatever name it is reached: of a server only. Undefined where it does not say. */
  server?(source: SourceOf<Kind>, doing: Doing): Promise<string | undefined>;
  /** One consistent instant: what is written meanwhile is wholly in it or wholly not. */
  copy(source: SourceOf<Kind>, writer: CopyWriter, doing: Doing): Promise<Copied>;
  /** Whether its parts are what they should be, without restoring: pg_restore --list, PRAGMA integrity_check. */
  structure(copy: SealedCopy, doing: Doing): Promise<LayerResult>;
  /**
   * Restores into a throw-away place below `scratch`, never under a name of the original; at its address only where this machine
   * could start no server, which the stand-in says. `owner` is on everything it makes, so that what a dead process left can be found and ended.
   */
  sandbox(source: SourceOf<Kind>, copy: SealedCopy, place: SandboxPlace, doing: Doing): Promise<Sandbox>;
  /** What a restore would replace there; empty where nothing is. */
  occupied(source: SourceOf<Kind>, copy: SealedCopy, to: RestoreTarget, doing: Doing): Promise<readonly string[]>;
  /** Never called twice at once for one place. Whole or not at all, as far as the place allows; says so where it does not. */
  restore(source: SourceOf<Kind>, copy: SealedCopy, to: RestoreTarget, doing: Doing): Promise<Restored>;
  /**
   * Puts back what a restore kept, by the names that it gave; what was restored is kept in its turn. There only where what is
   * replaced can be kept whole beside it.
   */
  undo?(source: SourceOf<Kind>, kept: readonly string[], doing: Doing): Promise<Restored>;
  /** Removes what a restore kept, once nobody wants it back. Harmless twice. */
  discard?(source: SourceOf<Kind>, kept: readonly string[], doing: Doing): Promise<readonly string[]>;
  /** What is at the original now, to prove a restore by comparison: hashed as this copy did where it has a choice. */
  contents(source: SourceOf<Kind>, doing: Doing, copy?: SealedCopy): AsyncIterable<ContentItem>;
  /** How that is compared with what the copy recorded. */
  readonly compares?: Compares | undefined;
  /** Ends what sandboxes of these owners left. */
  sweep(owners: ReadonlySet<string> | 'all-dead', scratch: string, doing: Doing): Promise<readonly string[]>;
}
