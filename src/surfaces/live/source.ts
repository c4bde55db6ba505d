import type { Actor } from '../../core/actor.ts';
import type { Line } from '../../core/lines.ts';
import type { StewardEvent } from '../../core/event.ts';

/** Where a place in the events leads. */
export type PlaceState = 'known' | 'removed' | 'ahead';

/** The events of the store, as a stream needs them. */
export interface EventSource {
  /** Committed events behind an id, in the order of commit. */
  read(options: { after: number; limit: number }): Promise<StewardEvent[]>;
  latestId(): Promise<number>;
  /** removed: the event itself is gone, and others behind it may be. ahead: this store has not come so far. */
  stateOf(id: number): Promise<PlaceState>;
  /** Calls when there may be new ones, until the returned function is called. */
  onNews(handler: () => void): () => void;
}

/** Lines that come while somebody listens: the log of a service, what a run says. */
export interface LineSource {
  /** NOT_FOUND, INPUT_INVALID or FORBIDDEN where this actor cannot listen to it here. */
  assertKnown(topic: string, actor: Actor): Promise<void>;
  /** Until the signal ends it, `emit` gets what comes, in order. Nothing is kept: whoever is away misses it. */
  listen(
    topic: string,
    options: { readonly since?: Date | undefined },
    emit: (lines: readonly Line[]) => void,
    signal: AbortSignal,
  ): void;
}
