import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type Arrival,
  judgeBody,
  judgeHead,
  type Refused,
  tooLarge,
  type TypesByName,
} from '../../../edge/handlers/webhooks/receive.ts';
import type { HookReceiver } from '../../core/hook-receiver.ts';
import type { Log } from '../../core/log.ts';
import { addressOf } from '../address-of.ts';
import type { Journal } from './journal.ts';
import { serverDigests } from './server-digests.ts';

export interface Counts {
  accepted: number;
  refused: Record<string, number>;
}

export interface ReceiverDeps {
  readonly journal: () => Journal | undefined;
  readonly types: TypesByName;
  readonly trustedProxies: () => readonly string[];
  readonly now: () => Date;
  readonly log: Log;
}

export type Receiver = HookReceiver<IncomingMessage, ServerResponse> & { readonly counts: Counts };

const RETRY_SECONDS = '5';
const DRAINED_BYTES = 64 * 1024;

/** Answers one request of the webhook listener, or of its alias: 202 only when it is on disk. */
export function createReceiver({ journal, types, trustedProxies, now, log }: ReceiverDeps): Receiver {
  const counts: Counts = { accepted: 0, refused: {} };
  let toldOfFailureAt = 0;

  function refuse(response: ServerResponse, refused: Refused): void {
    counts.refused[refused.code] = (counts.refused[refused.code] ?? 0) + 1;
    log.debug('webhook refused', { code: refused.code, status: refused.status });
    answer(response, refused.status, { error: refused.message }, refused.headers);
  }

  async function handle(request: IncomingMessage, response: ServerResponse, path: string): Promise<void> {
    const arrival: Arrival = {
      method: request.method ?? '',
      path,
      headers: (name) => {
        const value = request.headers[name];
        return Array.isArray(value) ? value.join(', ') : value;
      },
      address: addressOf(request, trustedProxies()),
    };
    const head = judgeHead(arrival, types);
    if (head.is === 'refused') {
      closing(request, response);
      return refuse(response, head);
    }
    const body = await bodyOf(request, head.ready.type.maxBytes);
    if (body === 'gone') return;
    if (body === 'too-large') {
      closing(request, response);
      return refuse(response, tooLarge(head.ready));
    }
    const at = now();
    const verdict = await judgeBody(arrival, body, head, {
      digests: serverDigests,
      now: at.getTime(),
      newId: randomUUID,
    });
    if (verdict.is === 'refused') return refuse(response, verdict);
    if (verdict.is === 'answered') return answer(response, 200, verdict.body);
    const open = journal();
    try {
      if (!open) throw new Error('Steward is stopping');
      const { is: _is, ...accepted } = verdict;
      await open.append({ ...accepted, receivedAt: at, address: arrival.address, body });
    } catch (thrown) {
      unkept(thrown as Error);
      counts.refused['disk'] = (counts.refused['disk'] ?? 0) + 1;
      return answer(
        response,
        503,
        { error: `It could not be put on disk, so it was not taken: send it again. ${(thrown as Error).message}.` },
        { 'retry-after': RETRY_SECONDS },
      );
    }
    counts.accepted += 1;
    answer(response, 202, { status: 'queued', id: verdict.id });
  }

  function unkept({ message }: Error): void {
    if (performance.now() - toldOfFailureAt < 60_000 && toldOfFailureAt > 0) return;
    toldOfFailureAt = performance.now();
    log.error('webhooks are answered with 503: the journal cannot be written', { reason: message });
  }

  return {
    counts,
    receive(request, response, path) {
      handle(request, response, path).catch((thrown: unknown) => {
        log.error('webhook could not be answered', { reason: String(thrown) });
        if (response.headersSent) response.destroy();
        else answer(response, 500, { error: 'Something went wrong here; it was not taken.' });
      });
    },
  };
}

async function bodyOf(request: IncomingMessage, most: number): Promise<Buffer | 'too-large' | 'gone'> {
  const { promise, resolve } = Promise.withResolvers<Buffer | 'too-large' | 'gone'>();
  const chunks: Buffer[] = [];
  let size = 0;
  request.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > most) resolve('too-large');
    else chunks.push(chunk);
  });
  request.on('end', () => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
  request.on('close', () => resolve('gone'));
  request.on('error', () => resolve('gone'));
  return await promise;
}

/** Of what nobody wants a little is read, so that the connection can go on; with more on its way it ends with the answer. */
function closing(request: IncomingMessage, response: ServerResponse): void {
  const length = Number(request.headers['content-length'] ?? 0);
  if (request.headers['transfer-encoding'] === undefined && length <= DRAINED_BYTES) return;
  response.setHeader('connection', 'close');
}

function answer(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    ...headers,
  });
  response.end(text);
}
