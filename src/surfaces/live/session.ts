import type { Actor } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import { type LiveFilter, type Wanted, wantedBy } from './filter.ts';
import { LineQueue } from './line-queue.ts';
import type { Close, ServerMessage } from './protocol.ts';
import type { Entry, SharedReader } from './reader.ts';
import type { EventSource, LineSource } from './source.ts';

/** The way to one client. Sending resolves once it keeps up again, and rejects with TIMEOUT where it does not. */
export interface Outlet {
  events(entries: readonly Entry[]): Promise<void>;
  tell(message: ServerMessage): Promise<void>;
  end(why: Close, resume: number): void;
}

export interface Subscription {
  readonly events: LiveFilter | false;
  readonly topics: readonly string[];
  readonly since?: Date | undefined;
  readonly after?: number | undefined;
}

/**
 * One client: a place in the events, and a few lines of what it listens to. Everything else stays in the store, so that one who
 * reads slowly, or not at all, costs the same as any other.
 */
export class LiveSession {
  readonly #actor: Actor;
  readonly #reader: SharedReader;
  readonly #source: EventSource;
  readonly #lines: LineQueue;
  readonly #outlet: Outlet;
  readonly #signal: AbortSignal;
  #wanted: Wanted | undefined;
  #place: number;
  #told: number;
  #paused = false;
  #credit = Number.POSITIVE_INFINITY;
  readonly #asked: (() => Promise<void>)[] = [];
  #stir = Promise.withResolvers<void>();

  constructor(options: {
    readonly actor: Actor;
    readonly reader: SharedReader;
    readonly source: EventSource;
    readonly lines: LineSource;
    readonly outlet: Outlet;
    readonly from: number;
    readonly signal: AbortSignal;
  }) {
    this.#actor = options.actor;
    this.#reader = options.reader;
    this.#source = options.source;
    this.#outlet = options.outlet;
    this.#signal = options.signal;
    this.#place = options.from;
    this.#told = options.from;
    this.#lines = new LineQueue(options.lines, options.signal, () => this.#wake());
    options.signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  get place(): number {
    return this.#place;
  }

  /** What the client asks for is done between two batches, in its order. */
  subscribe(subscription: Subscription): Promise<void> {
    return this.#ask(async () => {
      const { events, topics, since, after } = subscription;
      // First, because it is refused where a topic is unknown, and then nothing has changed.
      await this.#lines.listenTo(topics, since, this.#actor);
      if (after !== undefined) await this.#goTo(after);
      this.#wanted = events === false ? undefined : wantedBy(this.#actor, events);
      await this.#outlet.tell({ type: 'subscribed', after: this.#place });
    });
  }

  pause(paused: boolean): Promise<void> {
    return this.#ask(async () => {
      this.#paused = paused;
      this.#lines.pause(paused);
      await this.#outlet.tell({ type: paused ? 'paused' : 'resumed' });
      // While it waited, what it waited for may have been removed.
      if (!paused) await this.#goTo(this.#place);
    });
  }

  credit(events: number): Promise<void> {
    return this.#ask(async () => {
      this.#credit = Number.isFinite(this.#credit) ? this.#credit + events : events;
    });
  }

  /** Tells where it is, where that is further than what it was sent. */
  beat(): Promise<void> {
    return this.#ask(async () => {
      if (this.#told === this.#place) return;
      this.#told = this.#place;
      await this.#outlet.tell({ type: 'at', id: this.#place });
    });
  }

  /** Sends until the signal ends it; rejects where the client does not keep up or the store cannot be read. */
  async run(): Promise<void> {
    const off = await this.#reader.attach(() => this.#wake());
    try {
      while (!this.#signal.aborted) {
        this.#stir = Promise.withResolvers();
        for (let next = this.#asked.shift(); next; next = this.#asked.shift()) await next();
        const busy = await this.#sendSome();
        if (!busy) await this.#stir.promise;
      }
    } finally {
      off();
    }
  }

  #ask(what: () => Promise<void>): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#asked.push(() => what().then(resolve, reject));
    this.#wake();
    return promise;
  }

  async #sendSome(): Promise<boolean> {
    if (this.#paused) return false;
    let sent = false;
    for (const message of this.#lines.take()) {
      sent = true;
      await this.#outlet.tell(message);
    }
    if (this.#credit <= 0) return sent;
    const found = await this.#reader.after(this.#place);
    if (found.length === 0) return sent;
    const wanted = this.#wanted;
    const chosen = wanted ? found.filter(({ event }) => wanted(event)).slice(0, this.#credit) : [];
    // Where credit ends in the midst of it, the rest waits behind the last that was sent.
    const last = chosen.length === this.#credit ? chosen.at(-1) : found.at(-1);
    if (chosen.length > 0) {
      await this.#outlet.events(chosen);
      this.#credit -= chosen.length;
      this.#told = chosen.at(-1)?.event.id ?? this.#told;
    }
    this.#place = last?.event.id ?? this.#place;
    return true;
  }

  async #goTo(after: number): Promise<void> {
    const state = after === 0 ? 'known' : await this.#source.stateOf(after);
    this.#place = state === 'ahead' ? await this.#source.latestId() : after;
    this.#told = this.#place;
    if (state === 'known') return;
    const [next] = await this.#source.read({ after: this.#place, limit: 1 });
    await this.#outlet.tell({
      type: 'gap',
      after,
      continues: next?.id ?? this.#place,
      reason:
        state === 'ahead'
          ? 'This store has no event of that id: it was set back, or is another one. What comes next is sent.'
          : 'The event of that id was removed by retention, and those behind it up to `continues` may have been as well.',
    });
  }

  #wake(): void {
    this.#stir.resolve();
  }
}

/** How a stream ends because of what was thrown within it. */
export function closeOf(thrown: unknown): Close {
  return StewardError.from(thrown).code === 'TIMEOUT' ? 'too-slow' : 'try-again';
}
