import type { Findings } from '../backup/copy.ts';
import type { SourceKind } from '../backup/source.ts';
import type { Doing } from '../backup/store.ts';
import type { CopyPlace } from './backups.ts';

/** A restored copy that stays for a while, so that a person can look at it. */
export interface OpenSandbox {
  readonly id: string;
  readonly source: string;
  readonly kind: SourceKind;
  readonly copy: string;
  readonly snapshotAt: Date;
  readonly openedAt: Date;
  /** When it goes by itself. */
  readonly until: Date;
  /** What was restored, in words. */
  readonly statement: string;
  /** A program of a shell that leads there. */
  readonly connect: string;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  readonly database?: string | undefined;
  readonly path?: string | undefined;
}

export interface ClosedSandbox {
  readonly sandbox: OpenSandbox;
  readonly why: string;
}

/**
 * Throw-away places on this machine that outlive the run that made them, and not this process. Each is reached by a socket or a
 * folder that only Steward's own user may enter.
 */
export interface SandboxesPort {
  list(): readonly OpenSandbox[];
  /** Room on the disk that they lie on. */
  room(): Promise<{ readonly folder: string; readonly freeBytes: number }>;
  /** The one that is open under that id already, else a new one. VERIFICATION_FAILED where the copy does not restore. */
  open(place: CopyPlace, order: { readonly id: string; readonly forMs: number }, doing: Doing): Promise<OpenSandbox>;
  /** Whether what is there is what was recorded when the copy was made; NOT_FOUND where none is open under that id. */
  prove(id: string, doing: Doing): Promise<Findings>;
  /** Ends and removes it; false where none is open under that id. */
  close(id: string): Promise<boolean>;
}

/** What keeps sandboxes from staying, for whoever looks after them. */
export interface SandboxUpkeep extends Pick<SandboxesPort, 'list'> {
  /** Closes those whose time is up, and those whose server has ended. One that cannot be closed is tried again the next time. */
  closeDue(): AsyncIterable<ClosedSandbox>;
  /** Closes all of them, and opens no more. */
  closeAll(): Promise<void>;
}
