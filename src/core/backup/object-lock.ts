import type { BackupRepository } from './repository.ts';

/** What a bucket says of whether what is in it can be deleted, by whoever has its credentials. */
export interface ObjectLock {
  /** unknown: it did not say, so nobody may rely on it. */
  readonly state: 'locked' | 'unlocked' | 'unknown';
  /** governance can be broken by whoever has the right to. */
  readonly mode?: 'COMPLIANCE' | 'GOVERNANCE' | undefined;
  /** How long each object is kept, from when it was written. */
  readonly days?: number | undefined;
  /** Until when all of it is kept that copies need, which share what is old: an instant. Nothing where nothing is there yet. */
  readonly until?: string | undefined;
  readonly message: string;
  readonly hint?: string | undefined;
}

export interface RenewedLock {
  /** As it is now. */
  readonly lock: ObjectLock;
  /** How many objects are locked for longer. */
  readonly renewed: number;
  /** With what words the bucket refused. */
  readonly refused?: string | undefined;
}

/** What buckets said, by the names of the repositories that are to be locked. */
export type Locks = ReadonlyMap<string, ObjectLock>;

/** Whether its bucket is to keep what was removed, until its lock is over. */
export const keepsRemoved = (repository: BackupRepository): boolean =>
  repository.kind === 'restic' && repository.objectLock !== undefined && repository.objectLock !== false;
