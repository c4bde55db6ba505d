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
  readonly reason?: string | undefined;
  readonly requestId?: string | undefined;
  readonly causation?: Causation | undefined;
  readonly before?: Json | undefined;
  readonly after?: Json | undefined;
  readonly detail?: Json | undefined;
}

/** The append-only record. Resolves when the entry is in the chain; an entry that cannot be written fails what it tells of. */
export interface AuditLog {
  append(entry: AuditEntry): Promise<void>;
}
