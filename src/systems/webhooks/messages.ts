// What the main thread and the receiver's thread say to each other.
import type { Admitted, Refused } from '../../../edge/handlers/webhooks/receive.ts';
import type { HookType } from '../../../edge/handlers/webhooks/types.ts';
import type { ErrorBody } from '../../core/error-body.ts';
import type { Answer, Body } from './answer.ts';
import type { Place } from '../listener.ts';
import type { Delivery } from './record.ts';

/** With what it begins. */
export interface ThreadData {
  readonly folder: string;
  /** Number of the first file that it may begin. */
  readonly first: number;
  /** Bytes that lie there already. */
  readonly before: number;
  readonly settings: ThreadSettings;
}

export interface ThreadSettings {
  readonly types: Readonly<Record<string, HookType>>;
  readonly place: Place | undefined;
  readonly trustedProxies: readonly string[];
  readonly journalBytes: number;
}

/** A request that came in by another listener. */
export interface SentArrival {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly address: string;
}

/** Since the receiver began. */
export interface Counts {
  accepted: number;
  refused: Record<string, number>;
  /** The last ones, the latest first. */
  lately: readonly RefusedLately[];
  /** Why the last one could not be put on disk. */
  unkept?: string;
}

export interface RefusedLately {
  readonly at: Date;
  readonly path: string;
  readonly address: string;
  readonly reason: string;
  readonly status: number;
  readonly message: string;
}

/** What is asked of the thread, with what it answers. */
export interface Questions {
  settings: { asked: ThreadSettings; answer: { readonly url?: string | undefined; readonly problem?: ErrorBody } };
  /** Before the body is there: how much of it may come. */
  head: { asked: SentArrival; answer: Answer | { readonly maxBytes: number } };
  take: { asked: SentArrival & { readonly body: Uint8Array | Exclude<Body, Buffer> }; answer: Answer };
  /** What somebody inside vouches for. */
  keep: { asked: Omit<Delivery, 'body'> & { readonly body: Uint8Array }; answer: Answer };
  /** What somebody else was sent: how often its type takes it, and what it must look like; nothing where it has no such type. */
  admit: {
    asked: { readonly type: string; readonly id: string; readonly data: unknown; readonly hasSchema: boolean };
    answer: Admitted | Refused;
  };
  counts: { asked: null; answer: Counts };
  stop: { asked: null; answer: null };
}

export type NoteToThread =
  | { readonly is: 'read'; readonly segment: number }
  | { readonly is: 'freed'; readonly bytes: number };

export type NoteFromThread =
  | { readonly is: 'wrote'; readonly segment: number; readonly size: number }
  | { readonly is: 'sealed'; readonly segment: number };
