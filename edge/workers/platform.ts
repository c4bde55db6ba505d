// What the workers use of Cloudflare's platform beyond web standards, as its documentation describes it.

export interface Queue {
  /** Resolves when the message is kept. At most 128,000 bytes. */
  send(body: unknown, options: { readonly contentType: 'json' | 'text' }): Promise<unknown>;
}

export interface QueueMessage {
  readonly id: string;
  readonly body: unknown;
  /** How often it was handed out, this time included. */
  readonly attempts: number;
  ack(): void;
  retry(options: { readonly delaySeconds: number }): void;
}

export interface MessageBatch {
  readonly queue: string;
  readonly messages: readonly QueueMessage[];
}

export interface KeyValues {
  get(key: string): Promise<string | null>;
  put(key: string, value: string): Promise<void>;
  delete(key: string): Promise<void>;
  /** At most a thousand keys. */
  list(options: { readonly prefix: string }): Promise<{ readonly keys: readonly { readonly name: string }[] }>;
}

/** Objects of which the platform runs one for each name, wherever it is asked for. */
export interface DurableObjects {
  idFromName(name: string): unknown;
  get(id: unknown): { fetch(url: string, init: RequestInit): Promise<Response> };
}

/** What an object has of its own until somebody deletes it. What it writes is stored before its answer leaves. */
export interface ObjectStorage<T> {
  readonly kv: {
    get(key: string): T | undefined;
    put(key: string, value: T): void;
    list(): Iterable<[key: string, value: T]>;
  };
  /** Unix milliseconds. */
  getAlarm(): Promise<number | null>;
  setAlarm(at: number): Promise<void>;
  deleteAll(): Promise<void>;
}

/** An answer with 101 has the connection that it became; whoever returns it leaves the bytes to the platform. */
export type Answer = Response & { readonly webSocket?: object | null };
export type AnswerInit = ResponseInit & { readonly webSocket?: object };

declare global {
  /** What comes out of it has that length, and is an error otherwise: so the request that it is the body of says its length. */
  const FixedLengthStream: new (length: number) => TransformStream<Uint8Array, Uint8Array>;
}
