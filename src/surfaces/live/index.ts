import type { FastifyReply, FastifyRequest } from 'fastify';
import type { WebSocket } from 'ws';
import type { Actor } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { parseInput } from '../input.ts';
import { type Close, type ServerMessage, StreamQuery } from './protocol.ts';
import { createSharedReader } from './reader.ts';
import { closeOf, LiveSession, type Outlet, type Subscription } from './session.ts';
import { listenTo, socketOutlet } from './socket.ts';
import type { EventSource, LineSource } from './source.ts';
import { sseOutlet } from './sse.ts';

export type { EventSource, LineSource } from './source.ts';

const CLIENTS = 200;
/** Of one credential, so that it cannot take the places of all others. */
const CLIENTS_EACH = 20;
const HEARTBEAT_MS = 15_000;
const STALL_MS = 30_000;

export interface LiveSettings {
  /** What can be listened to besides events; nothing by default. */
  readonly lines?: LineSource | undefined;
  /** The name of this node. */
  readonly node?: string | undefined;
  readonly heartbeatMs?: number | undefined;
  /** How long a client may read nothing before it is let go. */
  readonly stallMs?: number | undefined;
}

const NO_LINES: LineSource = {
  assertKnown: (topic) => Promise.reject(new StewardError('NOT_FOUND', `There is nothing to listen to at ${topic}.`)),
  listen: () => undefined,
};

export interface Live {
  /** RATE_LIMITED where there are too many streams already; before a WebSocket is made. */
  admit(request: FastifyRequest): void;
  /** Server-sent events. */
  stream(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  socket(socket: WebSocket, request: FastifyRequest): void;
  /** Tells every client that the server stops. */
  close(): void;
}

export interface LiveDeps extends LiveSettings {
  readonly events: EventSource;
  readonly log: Log;
  /** Asked with every heartbeat: a stream must not outlive its credential. */
  stillAllowed(request: FastifyRequest): Promise<boolean>;
}

/**
 * What happens, while it happens, over WebSockets and server-sent events alike. A client is a place in the events of the store:
 * one that is slow is waited for, one that was away reads on from where it was, and neither costs memory or the time of others.
 */
export function createLive(deps: LiveDeps): Live {
  const { events, log, stillAllowed } = deps;
  const { lines = NO_LINES, node = '', heartbeatMs = HEARTBEAT_MS, stallMs = STALL_MS } = deps;
  const reader = createSharedReader({ events, log });
  const clients = new Map<AbortController, string>();
  const ends = new Map<AbortController, (why: Close) => void>();

  function admitted(request: FastifyRequest): AbortController {
    const actor = request.actor as Actor;
    if (clients.size >= CLIENTS)
      throw new StewardError('RATE_LIMITED', `${CLIENTS} streams are open.`, { hint: 'Close some, or poll instead.' });
    const credential = actor.session ?? actor.id;
    if ([...clients.values()].filter((other) => other === credential).length >= CLIENTS_EACH)
      throw new StewardError('RATE_LIMITED', `${CLIENTS_EACH} streams of this credential are open.`, {
        hint: 'Close some, or poll instead.',
      });
    const client = new AbortController();
    clients.set(client, credential);
    return client;
  }

  /** The life of one client, from its hello to its end, whoever ends it. */
  async function serve(
    request: FastifyRequest,
    client: AbortController,
    outlet: Outlet,
    { first, onSession, beat }: { first?: Subscription; onSession?: (session: LiveSession) => void; beat: () => void },
  ): Promise<void> {
    const { signal } = client;
    let session: LiveSession | undefined;
    const end = (why: Close): void => {
      if (signal.aborted) return;
      outlet.end(why, session?.place ?? 0);
      client.abort();
    };
    ends.set(client, end);
    const heart = setInterval(() => {
      void stillAllowed(request).then((allowed) => {
        if (!allowed) return end('unauthenticated');
        if (signal.aborted) return;
        beat();
        void session?.beat().catch(() => undefined);
      });
    }, heartbeatMs);
    signal.addEventListener('abort', () => clearInterval(heart), { once: true });
    try {
      const from = await events.latestId();
      session = new LiveSession({ actor: request.actor as Actor, reader, source: events, lines, outlet, from, signal });
      await outlet.tell({ type: 'hello', latest: from, node, protocol: 1 });
      onSession?.(session);
      if (first)
        void session
          .subscribe(first)
          .catch((thrown: unknown) => outlet.tell({ type: 'error', ...StewardError.from(thrown).toBody() }));
      await session.run();
    } catch (thrown) {
      log.debug('live stream ended', { reason: StewardError.from(thrown).message });
      end(closeOf(thrown));
    } finally {
      clearInterval(heart);
      clients.delete(client);
      ends.delete(client);
    }
  }

  return {
    admit(request) {
      const client = admitted(request);
      clients.delete(client);
    },

    async stream(request, reply) {
      const first = subscriptionOf(request);
      // Told as an answer; within the stream a browser would try it again for ever.
      for (const topic of first.topics) await lines.assertKnown(topic, request.actor as Actor);
      const client = admitted(request);
      const out = reply.hijack().raw;
      out.on('close', () => client.abort());
      out.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
        'x-request-id': request.id,
      });
      out.write('retry: 2000\n\n');
      // An event and no comment: of comments the script of a page hears nothing.
      const beat = (): void => void (out.writableNeedDrain || out.write('event: alive\ndata: {}\n\n'));
      await serve(request, client, sseOutlet(out, client.signal, stallMs), { first, beat });
      if (!out.writableEnded) out.end();
    },

    socket(socket, request) {
      const client = admitted(request);
      const outlet = socketOutlet(socket, client.signal, stallMs);
      const { promise: session, resolve } = Promise.withResolvers<LiveSession>();
      let answered = true;
      socket.on('close', () => client.abort());
      socket.on('error', () => client.abort());
      socket.on('pong', () => (answered = true));
      const tell = (message: ServerMessage): void => void outlet.tell(message).catch(() => undefined);
      listenTo(socket, session, { tell, end: (why) => ends.get(client)?.(why) });
      const beat = (): void => {
        // Who has not read our last ping yet is asked again only once it has.
        if (answered) socket.ping();
        answered = false;
      };
      void serve(request, client, outlet, { onSession: resolve, beat });
    },

    close() {
      for (const end of ends.values()) end('going-away');
      reader.close();
    },
  };
}

/** Last-Event-ID is what a browser says that was connected before; `after` is what anybody may say. */
function subscriptionOf(request: FastifyRequest): Subscription {
  const asked = Object.entries(request.query as Record<string, string | string[]>);
  const lists = new Set(['types', 'subject', 'run', 'topic']);
  const query = parseInput<ReturnType<typeof StreamQuery.parse>>(
    StreamQuery,
    Object.fromEntries(asked.map(([name, value]) => [name, lists.has(name) ? [value].flat() : value])),
  );
  const { types, subject: subjects, run: runs, severity, topic: topics = [], since } = query;
  return {
    events: query.events === 'false' ? false : { types, subjects, runs, severity },
    topics,
    since: since === undefined ? undefined : new Date(since),
    after: resumeFrom(request.headers['last-event-id']) ?? query.after,
  };
}

function resumeFrom(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const id = Number(header);
  if (typeof header === 'string' && /^\d{1,15}$/.test(header)) return id;
  throw new StewardError('INPUT_INVALID', 'Last-Event-ID is not the id of an event.', {
    problems: [{ path: 'Last-Event-ID', message: 'expected a whole number' }],
    hint: 'Leave it out to begin with the next event.',
  });
}
