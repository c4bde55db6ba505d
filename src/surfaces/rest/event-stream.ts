import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { type Actor, may } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { StewardEvent } from '../../core/event.ts';
import type { Log } from '../../core/log.ts';

/** The events of the store, as a stream needs them. */
export interface EventSource {
  /** Committed events behind an id, in the order of commit. */
  read(options: { after: number; limit: number }): Promise<StewardEvent[]>;
  latestId(): Promise<number>;
  /** Calls when there may be new ones, until the returned function is called. */
  onNews(handler: () => void): () => void;
}

const BATCH = 100;
const CLIENTS = 100;
/** Of one credential, so that it cannot take the places of all others. */
const CLIENTS_EACH = 20;
const HEARTBEAT_MS = 15_000;
const DRAIN_WITHIN_MS = 30_000;
/** Many events at once become one look; people see no difference. */
const GATHER_MS = 100;
/** A notification may come before its event can be read: an older transaction is still open. */
const LOOK_AGAIN_MS = [200, 1_000];

export interface EventStreams {
  serve(request: FastifyRequest, reply: FastifyReply): Promise<void>;
  close(): void;
}

/**
 * Server-sent events, each with its type in the data. Each client keeps nothing but its place in the store: one that is slow is waited for, one that is gone
 * for long reads on from where it was, and neither costs memory.
 */
export function createEventStreams({
  events,
  log,
  stillAllowed,
  heartbeatMs = HEARTBEAT_MS,
}: {
  events: EventSource;
  log: Log;
  /** Asked with every heartbeat: a stream must not outlive its credential. */
  stillAllowed(request: FastifyRequest): Promise<boolean>;
  heartbeatMs?: number;
}): EventStreams {
  const clients = new Map<AbortController, string>();

  async function follow(
    request: FastifyRequest,
    out: ServerResponse,
    actor: Actor,
    from: number,
    signal: AbortSignal,
  ): Promise<void> {
    let after = from;
    let news = Promise.withResolvers<void>();
    const off = events.onNews(() => news.resolve());
    let looks: number[] = [];
    let beat = performance.now();
    try {
      while (!signal.aborted) {
        const woken = news.promise;
        const batch = await events.read({ after, limit: BATCH });
        for (const event of batch) {
          after = event.id;
          await write(out, frame(event, actor), signal);
        }
        if (batch.length > 0) continue;
        const again = looks.shift();
        const rest = heartbeatMs - (performance.now() - beat);
        const pause = sleep(Math.max(0, Math.min(again ?? rest, rest)), false, { signal });
        const isNews = await Promise.race([woken.then(() => true), pause]).catch(() => false);
        if (isNews) {
          await sleep(GATHER_MS, undefined, { signal });
          news = Promise.withResolvers();
          looks = [...LOOK_AGAIN_MS];
        }
        if (performance.now() - beat < heartbeatMs) continue;
        beat = performance.now();
        if (!(await stillAllowed(request))) return;
        await write(out, ': alive\n\n', signal);
      }
    } finally {
      off();
    }
  }

  return {
    async serve(request, reply) {
      const from = resumeFrom(request.headers['last-event-id']) ?? (await events.latestId());
      // Nothing is waited for between counting and being counted.
      if (clients.size >= CLIENTS)
        throw new StewardError('RATE_LIMITED', `${CLIENTS} streams are open.`, {
          hint: 'Close some, or poll instead.',
        });
      const actor = request.actor as Actor;
      const credential = actor.session ?? actor.id;
      if ([...clients.values()].filter((other) => other === credential).length >= CLIENTS_EACH)
        throw new StewardError('RATE_LIMITED', `${CLIENTS_EACH} streams of this credential are open.`, {
          hint: 'Close some, or poll instead.',
        });
      const client = new AbortController();
      clients.set(client, credential);
      const out = reply.hijack().raw;
      out.on('close', () => client.abort());
      out.writeHead(200, {
        'content-type': 'text/event-stream; charset=utf-8',
        'cache-control': 'no-store',
        'x-accel-buffering': 'no',
        'x-content-type-options': 'nosniff',
        'x-request-id': request.id,
      });
      out.write(`retry: 2000\nid: ${from}\nevent: hello\ndata: {}\n\n`);
      try {
        await follow(request, out, actor, from, client.signal);
      } catch (thrown) {
        // The client reconnects by itself and says where it was.
        if (!client.signal.aborted) log.debug('event stream ended', { reason: StewardError.from(thrown).message });
      } finally {
        clients.delete(client);
        out.end();
      }
    },
    close() {
      for (const client of clients.keys()) client.abort();
    },
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

/** What security reports is for who may read the audit; others get its place, so that they can resume. */
function frame(event: StewardEvent, actor: Actor): string {
  if (event.type.startsWith('security.') && !may(actor, 'audit')) return `id: ${event.id}\n\n`;
  return `id: ${event.id}\ndata: ${JSON.stringify(event)}\n\n`;
}

async function write(out: ServerResponse, text: string, signal: AbortSignal): Promise<void> {
  if (signal.aborted || out.write(text)) return;
  await once(out, 'drain', { signal: AbortSignal.any([signal, AbortSignal.timeout(DRAIN_WITHIN_MS)]) });
}
