import type { Actor } from '../../core/actor.ts';
import type { Line } from '../../core/lines.ts';
import type { ServerMessage } from './protocol.ts';
import type { LineSource } from './source.ts';

const KEPT = 500;

/** Lines on their way to one client. Nobody keeps lines for who is slow: the oldest are dropped, and how many is told. */
export class LineQueue {
  readonly #source: LineSource;
  readonly #signal: AbortSignal;
  readonly #onMore: () => void;
  readonly #topics = new Map<string, AbortController>();
  readonly #dropped = new Map<string, number>();
  #waiting: { readonly topic: string; readonly line: Line }[] = [];
  #paused = false;

  constructor(source: LineSource, signal: AbortSignal, onMore: () => void) {
    this.#source = source;
    this.#signal = signal;
    this.#onMore = onMore;
    signal.addEventListener('abort', () => this.#leaveAll(), { once: true });
  }

  /** These and no others. Rejects where one is unknown, and then listens to what it did before. */
  async listenTo(topics: readonly string[], since: Date | undefined, actor: Actor): Promise<void> {
    for (const topic of topics) await this.#source.assertKnown(topic, actor);
    for (const [topic, leave] of this.#topics) {
      if (topics.includes(topic)) continue;
      leave.abort();
      this.#topics.delete(topic);
    }
    for (const topic of topics) {
      if (this.#topics.has(topic)) continue;
      const leave = new AbortController();
      this.#topics.set(topic, leave);
      const signal = AbortSignal.any([leave.signal, this.#signal]);
      this.#source.listen(topic, { since }, (lines) => this.#add(topic, lines), signal);
    }
  }

  pause(paused: boolean): void {
    this.#paused = paused;
  }

  /** All that waits, and how much was dropped before it. */
  take(): ServerMessage[] {
    const dropped = [...this.#dropped].map(([topic, lines]): ServerMessage => ({ type: 'dropped', topic, lines }));
    const lines = this.#waiting.map(({ topic, line }): ServerMessage => ({ type: 'line', topic, ...line }));
    this.#dropped.clear();
    this.#waiting = [];
    return [...dropped, ...lines];
  }

  #add(topic: string, lines: readonly Line[]): void {
    for (const line of lines) this.#waiting.push({ topic, line });
    const surplus = this.#paused ? this.#waiting.length : this.#waiting.length - KEPT;
    if (surplus > 0)
      for (const gone of this.#waiting.splice(0, surplus))
        this.#dropped.set(gone.topic, (this.#dropped.get(gone.topic) ?? 0) + 1);
    this.#onMore();
  }

  #leaveAll(): void {
    for (const leave of this.#topics.values()) leave.abort();
    this.#topics.clear();
    this.#waiting = [];
  }
}
