import { type IncomingMessage, request } from 'node:http';
import { WebSocket } from 'ws';

export interface Message {
  readonly type: string;
  readonly id?: number;
  readonly event?: { readonly id: number; readonly type: string; readonly data: Record<string, unknown> };
  readonly [member: string]: unknown;
}

/** A client of the live stream, with everything that it was told. */
export interface LiveClient {
  readonly messages: Message[];
  /** Ids of the events that came, in the order they came. */
  readonly ids: number[];
  /** When each of them came. */
  readonly at: number[];
  /** Resolves with the code and reason of the end. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  send(message: object | string): void;
  /** Stops reading from the connection, as a program that hangs does. */
  stall(): void;
  goOn(): void;
  end(): void;
  /** The first message, past or to come, that fits. */
  saw(what: string, fits: (message: Message) => boolean, withinMs?: number): Promise<Message>;
  /** The id to resume from. */
  place(): number;
}

const WITHIN_MS = 20_000;

function record() {
  const messages: Message[] = [];
  const ids: number[] = [];
  const at: number[] = [];
  const waiting = new Set<() => void>();
  let place = 0;
  return {
    messages,
    ids,
    at,
    place: () => place,
    take(message: Message) {
      if (message.event) {
        ids.push(message.event.id);
        at.push(performance.now());
        place = message.event.id;
      } else messages.push(message);
      if (message.type === 'subscribed') place = message['after'] as number;
      if (message.type === 'at') place = message.id ?? place;
      for (const wake of waiting) wake();
    },
    async saw(what: string, fits: (message: Message) => boolean, withinMs = WITHIN_MS): Promise<Message> {
      const { promise, resolve, reject } = Promise.withResolvers<Message>();
      const look = (): void => {
        const found = messages.find(fits);
        if (found) resolve(found);
      };
      const late = setTimeout(() => reject(new Error(`${what}: not within ${withinMs} ms`)), withinMs);
      waiting.add(look);
      look();
      return await promise.finally(() => {
        clearTimeout(late);
        waiting.delete(look);
      });
    },
  };
}

export async function openSocket(
  url: string,
  headers: Record<string, string>,
  subscribe?: object,
): Promise<LiveClient> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/api/v1/live`, { headers });
  const { take, ...seen } = record();
  const closed = new Promise<{ code: number; reason: string }>((done) => {
    socket.on('close', (code, reason) => done({ code, reason: reason.toString() }));
  });
  await new Promise<void>((done, fail) => {
    socket.on('open', () => done());
    socket.on('error', fail);
    socket.on('unexpected-response', (_request, response) => fail(new Error(`answered ${response.statusCode}`)));
    socket.on('message', (data: Buffer) => take(JSON.parse(data.toString()) as Message));
  });
  const client: LiveClient = {
    ...seen,
    closed,
    send: (message) => socket.send(typeof message === 'string' ? message : JSON.stringify(message)),
    stall: () => socket.pause(),
    goOn: () => socket.resume(),
    end: () => socket.terminate(),
  };
  await client.saw('hello', ({ type }) => type === 'hello');
  if (subscribe) {
    client.send({ type: 'subscribe', ...subscribe });
    await client.saw('subscribed', ({ type }) => type === 'subscribed');
  }
  return client;
}

export async function openStream(
  url: string,
  headers: Record<string, string>,
  query: Record<string, string | number> = {},
): Promise<LiveClient> {
  const search = new URLSearchParams(
    Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]),
  );
  const { take, ...seen } = record();
  const asked = request(`${url}/api/v1/live?${search}`, { headers });
  const response = await new Promise<IncomingMessage>((done, fail) => {
    asked.on('response', done);
    asked.on('error', fail);
    asked.end();
  });
  if (response.statusCode !== 200) throw new Error(`answered ${response.statusCode}`);
  let rest = '';
  response.on('data', (chunk: Buffer) => {
    const frames = (rest + chunk.toString()).split('\n\n');
    rest = frames.pop() ?? '';
    for (const frame of frames) {
      const fields = new Map(
        frame.split('\n').map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
      );
      const [id, name, data] = ['id', 'event', 'data'].map((field) => fields.get(field));
      if (data === undefined && id === undefined) continue;
      const value = data === undefined ? {} : (JSON.parse(data) as object);
      if (data === undefined) take({ type: 'at', id: Number(id) });
      else if (name === undefined) take({ type: 'event', event: value as NonNullable<Message['event']> });
      else take({ type: name, ...value });
    }
  });
  asked.on('error', () => undefined);
  const closed = new Promise<{ code: number; reason: string }>((done) => {
    response.on('close', () => done({ code: 0, reason: '' }));
  });
  response.on('error', () => undefined);
  const client: LiveClient = {
    ...seen,
    closed,
    send: () => undefined,
    stall: () => response.pause(),
    goOn: () => void response.resume(),
    end: () => asked.destroy(),
  };
  await client.saw('subscribed', ({ type }) => type === 'subscribed');
  return client;
}
