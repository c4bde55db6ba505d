import type { ContentSummary, LayerResult, Unsure } from '../backup/copy.ts';
import type { Retention } from '../backup/retention.ts';
import type { SourceKind } from '../backup/source.ts';
import type { CopyPlace, MadeCopy } from './backups.ts';

/** What Steward wrote down of a copy, by its own clock and in its own order: no repository can say otherwise. */
export interface CopyRecord extends Omit<CopyPlace, 'location'> {
  readonly id: string;
  /** Grows with every copy, whatever the clock did. */
  readonly sequence: number;
  readonly kind: SourceKind;
  readonly node: string;
  readonly runId: string;
  readonly status: 'writing' | 'complete' | 'failed' | 'removed';
  readonly location: string | null;
  readonly startedAt: Date;
  /** Of which instant the data is. */
  readonly snapshotAt: Date | null;
  readonly endedAt: Date | null;
  readonly bytes: number | null;
  readonly storedBytes: number | null;
  readonly contents: ContentSummary | null;
  readonly error: string | null;
  /** When it was last restored and every layer held; null: never, or the last look failed. */
  readonly provenAt: Date | null;
  /** When its bytes were last read again. */
  readonly checkedAt: Date | null;
  /** What of it was not compared when it was proven: it changed while it was copied, or could not be read. */
  readonly unsure: Unsure | null;
  /** The last restore in a drill: the measured recovery time, in ms. */
  readonly restoreMs: number | null;
  /** What the last look found wrong. */
  readonly fault: string | null;
  /** When somebody last set out to restore it in a drill, whatever came of it. */
  readonly triedAt: Date | null;
  /** Why that could not be done here, where it says nothing of the copy: no room, no program, nobody answered. */
  readonly obstacle: string | null;
}

export interface CopyQuery {
  readonly source?: string | undefined;
  readonly repository?: string | undefined;
  readonly status?: CopyRecord['status'] | undefined;
  readonly id?: string | undefined;
}

/** How copies of this machine are to be looked at and kept. */
export interface BackupRules {
  readonly retention: Retention;
  /** A source whose newest copy is older has no backup. */
  readonly maxAgeMs: number;
  /** Verification begins nothing new after so long. */
  readonly verificationMs: number;
  /** Restores every source in each verification, not one of them in turn. */
  readonly verifyAll: boolean;
  /** Percent of a repository from which on it has too little room. */
  readonly nearlyFull: number;
}

/** The record of copies. */
export interface CopiesPort {
  /** Of this node, the newest first. */
  find(query: CopyQuery): Promise<readonly CopyRecord[]>;
  rules(): BackupRules;
  /** Written down before the first byte: what a crash leaves is known by it. Begun again it keeps its first instant. */
  begin(
    copy: Pick<CopyRecord, 'id' | 'source' | 'kind' | 'repository' | 'runId'>,
  ): Promise<CopyRecord & { readonly first: boolean }>;
  complete(id: string, made: MadeCopy): Promise<void>;
  fail(id: string, error: string): Promise<void>;
  /** Somebody sets out to restore it in a drill: one that never ends has had its turn. */
  trying(id: string): Promise<void>;
  /**
   * What a look at a copy found. It is proven where it was restored and every layer held. `obstacle` is what kept a drill from
   * looking further: it takes no proof back.
   */
  looked(id: string, results: readonly LayerResult[], obstacle?: string): Promise<void>;
  removed(id: string, why: string): Promise<void>;
}
