import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import { failureOf, type Server } from './client.ts';
import { exchange, isOk, reasonOf, textOf } from './exchange.ts';

export interface StreamMessage {
  /** `message` for an event. */
  readonly name: string;
  readonly data: Record<string, unknown>;
}

export interface StreamOptions {
  readonly query: Readonly<Record<string, readonly string[]>>;
  /** Told once when the connection is lost, and again when it is back. */
  readonly onChange: (state: 'lost' | 'back', reason: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Heartbeats come every 15 s; after this nobody is there any more. */
const SILENT_MS = 50_000;
const LONGEST_WAIT_MS = 10_000;
const REFUSED: ReadonlySet<string> = new Set(['UNAUTHENTICATED', 'FORBIDDEN', 'NOT_FOUND', 'INPUT_INVALID']);

/**
 * What a server tells, until the signal ends it. Where the connection breaks it is made again, events go on behind the last that
 * came and lines at the instant of the last; a line that comes again is told once.
 */
export async function* liveMessages(server: Server, options: StreamOptions): AsyncGenerator<StreamMessage> {
  let place: string | undefined;
  let since: string | undefined = options.query['since']?.[0];
  let recent: string[] = [];
  let connected = false;
  let lost = false;
  let wait = 250;
  while (!options.signal?.aborted) {
    try {
      for await (const { id, name, data } of connect(
        server,
        { ...options.query, ...(since !== undefined && { since: [since] }) },
        place,
        options.signal,
      )) {
        if (id !== undefined) place = id;
        if (!connected || lost) {
          if (lost) options.onChange('back', server.url);
          [connected, lost, wait] = [true, false, 250];
        }
        if (name === 'line') {
          const key = JSON.stringify(data);
          if (recent.includes(key)) continue;
          recent = [...recent.slice(-200), key];
          since = String(data['at']);
        }
        if (data !== undefined && name !== 'alive') yield { name, data };
      }
      throw new StewardError('UNAVAILABLE', `${server.url} ended the stream.`);
    } catch (thrown) {
      if (options.signal?.aborted) return;
      const error = StewardError.from(thrown);
      if (!connected || REFUSED.has(error.code)) throw error;
      if (!lost) options.onChange('lost', error.message);
      lost = true;
      await sleep(wait, undefined, { signal: options.signal }).catch(() => undefined);
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
    }
  }
}

interface Frame {
  readonly id: string | undefined;
  readonly name: string;
  readonly data: Record<string, unknown>;
}

async function* connect(
  server: Server,
  query: Readonly<Record<string, readonly string[]>>,
  place: string | undefined,
  outer: AbortSignal | undefined,
): AsyncGenerator<Frame> {
  const search = new URLSearchParams(
    Object.entries(query).flatMap(([name, values]) => values.map((value): [string, string] => [name, value])),
  );
  const silent = new AbortController();
  let timer = setTimeout(() => silent.abort(), SILENT_MS);
  try {
    const response = await exchange(`${server.url}/api/v1/live?${search}`, {
      headers: {
        authorization: `Bearer ${server.token}`,
        accept: 'text/event-stream',
        'x-steward-surface': 'cli',
        ...(place !== undefined && { 'last-event-id': place }),
      },
      signal: outer ? AbortSignal.any([outer, silent.signal]) : silent.signal,
    });
    if (!isOk(response)) throw await failureOf(server, response.statusCode, await textOf(response));
    let rest = '';
    for await (const chunk of response) {
      clearTimeout(timer);
      timer = setTimeout(() => silent.abort(), SILENT_MS);
      const frames = (rest + String(chunk)).split('\n\n');
      rest = frames.pop() ?? '';
      for (const frame of frames) {
        const parsed = frameOf(frame);
        if (parsed) yield parsed;
      }
    }
  } catch (cause) {
    if (cause instanceof StewardError) throw cause;
    throw new StewardError('UNAVAILABLE', `Nothing answers at ${server.url} (${reasonOf(cause)}).`, {
      hint: 'Start it with npm start, or see steward doctor.',
      cause,
    });
  } finally {
    clearTimeout(timer);
  }
}

function frameOf(text: string): Frame | undefined {
  const fields = new Map(
    text.split('\n').map((line): [string, string] => {
      const at = line.indexOf(':');
      return [line.slice(0, at), line.slice(at + 1).trimStart()];
    }),
  );
  const [id, data] = [fields.get('id'), fields.get('data')];
  if (id === undefined && data === undefined) return undefined;
  return {
    id,
    name: data === undefined ? 'at' : (fields.get('event') ?? 'message'),
    data: data === undefined ? {} : (JSON.parse(data) as Frame['data']),
  };
}
