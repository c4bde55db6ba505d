import type { BackupRepository } from './repository.ts';
import type { ObjectLock, RenewedLock } from './object-lock.ts';
import type { LayerResult, Manifest, Part } from './copy.ts';

/** Content as it flows: never whole in memory. */
export type Bytes = AsyncIterable<Uint8Array>;

export interface Doing {
  readonly signal: AbortSignal;
  readonly progress?: ((done: { readonly bytes: number; readonly message?: string }) => void) | undefined;
  /** For whom a restore is made: the same for each attempt at it, through crashes. What any of them kept is kept for it. */
  readonly owner?: string | undefined;
  /** Asked by a restore right before it replaces anything, which may be an hour after it began: rejects where somebody else has taken over. */
  readonly lease?: (() => Promise<unknown>) | undefined;
}

/** Which copy, in words that survive: the same for every attempt at it. */
export interface CopyName {
  readonly id: string;
  readonly source: string;
  /** When its making began, by Steward's own clock: names and order come from it. */
  readonly at: Date;
  /** No attempt at it came before: nothing of it has to be looked for. */
  readonly first?: boolean | undefined;
}

export type Tree = Part & {
  /** Without folders; some repositories count links among them. */
  readonly files: number;
  readonly unreadable: readonly string[];
  /** Read while something wrote there: in the copy, and perhaps torn. A repository that cannot tell lists none. */
  readonly changed: readonly string[];
};

/** A copy that is being written. Until it is sealed no repository lists it. */
export interface CopyWriter {
  /** Whether whoever can read the place reads nothing of it without a key. */
  readonly encrypted: boolean;
  /** Takes a part to its end. What `content` throws is thrown, and the part does not exist. CONFLICT on a name that is taken. */
  part(part: Pick<Part, 'name' | 'kind' | 'database'>, content: Bytes): Promise<Part>;
  /**
   * A tree of files as it is: modes, owners, times and links included. Paths are absolute; the repository walks them.
   * An exclude that begins with / is a path; any other matches whole names anywhere. * and ? stay within a name; what is
   * below an excluded folder is excluded. What could not be read, or changed while it was, is told and does not fail it.
   */
  tree(
    part: Pick<Part, 'name'>,
    what: { readonly paths: readonly string[]; readonly exclude: readonly string[] },
  ): Promise<Tree>;
  /** Takes a finished part back: its name is free again. Harmless where there is none. */
  drop(part: string): Promise<void>;
  /** The manifest, last and at once: from here on the copy counts. Gives where it is. */
  seal(manifest: Manifest): Promise<{ readonly location: string; readonly storedBytes: number }>;
  /** Takes everything back, unless it is whole after all. Harmless twice. */
  abandon(): Promise<void>;
}

export interface StoredCopy {
  readonly id: string;
  readonly source: string;
  readonly location: string;
  /** What the place itself says; it may lie. Retention goes by what Steward recorded. */
  readonly claimedAt: Date;
}

/** One file or folder in a tree of a copy. */
export interface CopyEntry {
  readonly path: string;
  readonly kind: 'file' | 'directory' | 'link' | 'other';
  readonly bytes: number;
}

/** Of a repository that somebody holds. */
export interface RepositoryLock {
  readonly id: string;
  readonly holder: string;
  readonly since: Date;
  /** Whether its holder lives, as far as can be known: 'unknown' is treated as alive. */
  readonly alive: 'yes' | 'no' | 'unknown';
}

export interface RepositoryState {
  readonly ok: boolean;
  /** Why not, and what to do. */
  readonly problem?: { readonly message: string; readonly hint: string } | undefined;
  readonly encrypted: boolean;
  readonly freeBytes?: number | undefined;
  readonly totalBytes?: number | undefined;
  readonly locks: readonly RepositoryLock[];
}

/**
 * A place for copies: one contract for all, src/adapters/repositories/repository.contract.ts.
 * DISK_FULL, FORBIDDEN (credentials, key), UNAVAILABLE (does not answer), LOCKED (somebody works there) are told apart.
 */
export interface CopyStore {
  readonly repository: BackupRepository;
  state(doing: Doing): Promise<RepositoryState>;
  /** Whether its bucket is locked, where it is to be; undefined where it need not be. Rejects where nobody answers. */
  objectLock(doing: Doing): Promise<ObjectLock | undefined>;
  /** Locks again what copies need and what is locked no longer for long; never for less. Undefined where it need not be. */
  renewLock(doing: Doing): Promise<RenewedLock | undefined>;
  /** Makes it where it does not exist yet; harmless twice. Never takes over what is there and is none. */
  prepare(doing: Doing): Promise<void>;
  begin(copy: CopyName, doing: Doing): Promise<CopyWriter>;
  /** The sealed ones. */
  list(doing: Doing): Promise<StoredCopy[]>;
  manifest(location: string, doing: Doing): Promise<Manifest>;
  /** The content of a part; throws VERIFICATION_FAILED at its end where it is not what the manifest says. */
  read(location: string, part: Part, doing: Doing): Bytes;
  /** Puts a tree below a folder that exists and is empty, with modes, owners (as root) and times. `only` picks paths of it. */
  extract(
    location: string,
    part: Part,
    to: { readonly folder: string; readonly only?: readonly string[] | undefined },
    doing: Doing,
  ): Promise<void>;
  /** What is in a tree, for browsing. */
  entries(location: string, part: Part, doing: Doing): AsyncIterable<CopyEntry>;
  /** Every byte of it is read again and compared. */
  check(location: string, doing: Doing): Promise<LayerResult>;
  /** This very copy. Harmless twice. FORBIDDEN on one that only takes. */
  remove(location: string, doing: Doing): Promise<void>;
  /** What attempts left that nobody finished, of copies that are not `alive`; gives what was removed. */
  sweep(alive: ReadonlySet<string>, doing: Doing): Promise<readonly string[]>;
  /** Removes locks whose holder is surely dead; those of the living stay. Gives what was removed. */
  unlock(doing: Doing): Promise<readonly RepositoryLock[]>;
  /** Gives back the room of what was removed, where that is work of its own: hours, and LOCKED while somebody writes. */
  compact(doing: Doing): Promise<void>;
}
