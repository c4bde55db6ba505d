import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { StewardEvent } from '../../core/event.ts';
import type { Log } from '../../core/log.ts';
import type { EventSource } from './source.ts';

/** One event, written once for all who get it. */
export class Entry {
  readonly event: StewardEvent;
  #text: string | undefined;
  #sse: string | undefined;
  #socket: Buffer | undefined;

  constructor(event: StewardEvent) {
    this.event = event;
  }

  get text(): string {
    return (this.#text ??= JSON.stringify(this.event));
  }

  get sse(): string {
    return (this.#sse ??= `id: ${this.event.id}\ndata: ${this.text}\n\n`);
  }

  get socket(): Buffer {
    return (this.#socket ??= Buffer.from(`{"type":"event","id":${this.event.id},"event":${this.text}}`));
  }
}

export interface SharedReader {
  /** Some of what is behind a place, in order; empty where that is all there is. */
  after(id: number): Promise<readonly Entry[]>;
  /** Counts what was read; whoever saw a smaller number has something to look for. */
  readonly version: number;
  /** Keeps the reader reading, and calls when there is more, until the returned function is called. */
  attach(onMore: () => void): Promise<() => void>;
  close(): void;
}

const BATCH = 200;
const KEPT = 2_000;
const KEPT_BYTES = 8 * 1_024 * 1_024;
/** Many events at once become one look; people see no difference. */
const GATHER_MS = 20;
/** A notification may come before its event can be read: an older transaction is still open. */
const LOOK_AGAIN_MS = [200, 1_000];
const LOOK_AT_LEAST_EVERY_MS = 15_000;

/**
 * Reads the events of the store once for all clients of this process and keeps the last of them. Who is further behind
 * reads from the store by its own place, so that nobody who is slow costs memory or the time of the others.
 */
export function createSharedReader({
  events,
  log,
  kept = KEPT,
}: {
  events: EventSource;
  log: Log;
  kept?: number;
}): SharedReader {
  let ring: Entry[] = [];
  let bytes = 0;
  /** The place right before the first that is kept; undefined while nobody listens. */
  let base: number | undefined;
  const positions = new Map<number, number>();
  let dropped = 0;
  let version = 0;
  const listeners = new Set<() => void>();
  let running: AbortController | undefined;
  let starting: Promise<void> | undefined;

  function keep(read: readonly StewardEvent[]): void {
    for (const event of read) {
      const entry = new Entry(event);
      positions.set(event.id, dropped + ring.length);
      ring.push(entry);
      bytes += entry.text.length;
    }
    let surplus = 0;
    while (surplus < ring.length - 1 && (ring.length - surplus > kept || bytes > KEPT_BYTES)) {
      const gone = ring[surplus++] as Entry;
      bytes -= gone.text.length;
      positions.delete(gone.event.id);
      base = gone.event.id;
    }
    ring = ring.slice(surplus);
    dropped += surplus;
    version += 1;
    for (const listener of listeners) listener();
  }

  async function readOn(from: number, signal: AbortSignal): Promise<void> {
    let tail = from;
    let news = Promise.withResolvers<void>();
    const off = events.onNews(() => news.resolve());
    let looks: number[] = [];
    try {
      while (!signal.aborted) {
        const woken = news.promise;
        const batch = await events.read({ after: tail, limit: BATCH }).catch((thrown: unknown) => {
          log.debug('live events not read', { reason: StewardError.from(thrown).message });
          return [];
        });
        if (signal.aborted) return;
        if (batch.length > 0) {
          tail = batch.at(-1)?.id ?? tail;
          keep(batch);
          if (batch.length === BATCH) continue;
        }
        const wait = sleep(looks.shift() ?? LOOK_AT_LEAST_EVERY_MS, false, { signal }).catch(() => false);
        if (await Promise.race([woken.then(() => true), wait])) {
          await sleep(GATHER_MS, undefined, { signal }).catch(() => undefined);
          news = Promise.withResolvers();
          looks = [...LOOK_AGAIN_MS];
        }
      }
    } finally {
      off();
    }
  }

  async function start(): Promise<void> {
    const from = await events.latestId();
    base = from;
    const controller = new AbortController();
    running = controller;
    void readOn(from, controller.signal);
  }

  function stop(): void {
    running?.abort();
    running = undefined;
    starting = undefined;
    ring = [];
    bytes = 0;
    base = undefined;
    positions.clear();
  }

  return {
    get version() {
      return version;
    },
    async after(id) {
      const at = id === base ? 0 : positions.has(id) ? (positions.get(id) ?? 0) - dropped + 1 : undefined;
      if (at !== undefined) return ring.slice(at, at + BATCH);
      return (await events.read({ after: id, limit: BATCH })).map((event) => new Entry(event));
    },
    async attach(onMore) {
      listeners.add(onMore);
      const off = (): void => {
        listeners.delete(onMore);
        if (listeners.size === 0) stop();
      };
      try {
        await (starting ??= start());
      } catch (thrown) {
        starting = undefined;
        off();
        throw thrown;
      }
      return off;
    },
    close: stop,
  };
}
