import type { Actor } from './actor.ts';
import type { Causation, Subject } from './event.ts';
import type { Json } from './json.ts';

/** Who did what to what, when, from where, why, and what it changed. */
export interface AuditEntry {
  /** A verb in the past, dotted by what it is about: token.created, run.started, audit.read. */
  readonly action: string;
  readonly actor: Actor;
  readonly subject?: Subject | undefined;
  readonly outcome: 'allowed' | 'refused' | 'succeeded' | 'failed';
  readonly from: string;
  /** Where it happened; the node that writes the record where it is left out. */
  readonly node?: string | undefined;
  readonly reason?: string | undefined;
  readonly requestId?: string | undefined;
  readonly causation?: Causation | undefined;
  readonly before?: Json | undefined;
  readonly after?: Json | undefined;
  readonly detail?: Json | undefined;
}

/** An entry in its place. */
export interface AuditRecord extends AuditEntry {
  /** Named after the key that it was chained with. */
  readonly chain: string;
  readonly seq: number;
  readonly at: Date;
  readonly hash: string;
}

/** The append-only record. Resolves when the entry is in the chain; an entry that cannot be written fails what it tells of. */
export interface AuditLog {
  append(entry: AuditEntry): Promise<void>;
}

export interface AuditFollower {
  /** Permanent: where it is in the record is kept under this name. */
  readonly name: string;
  /** In order, at least once, across restarts; called again with the same records where it throws. */
  handle(records: readonly AuditRecord[], signal: AbortSignal): Promise<void>;
}

/** The record of this node, for who works on what was written: never in the way of whoever writes. */
export interface AuditFeed {
  follow(follower: AuditFollower): { stop(): Promise<void> };
}

/** Somewhere else than the store and this machine: how far the record reached is written down there as well. */
export interface CheckpointPlace {
  /** Permanent, without secrets: the address or the path. */
  readonly name: string;
  /** Adds a line. Rejects where it is not certain that it stands there. */
  write(line: string, signal: AbortSignal): Promise<void>;
  /** The lines that stand there; absent where what was written cannot be read back. */
  read?(signal: AbortSignal): Promise<string>;
}
