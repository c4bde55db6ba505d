// The receiver's thread: it listens, judges and writes the journal, and nothing else runs here, so that neither the store nor
// anything that Steward does beside keeps a sender waiting. Secrets come as messages; what is written is told by messages.
import type { IncomingMessage, ServerResponse } from 'node:http';
import { workerData } from 'node:worker_threads';
import type { Arrival } from '../../../edge/handlers/webhooks/receive.ts';
import { type HookType, readyType, type ReadyType } from '../../../edge/handlers/webhooks/types.ts';
import { StewardError } from '../../core/errors.ts';
import { addressOf } from '../address-of.ts';
import { type Answer, type Budget, headerOf, readBody, send, sendUnread } from './answer.ts';
import { createJournalWriter } from './journal-writer.ts';
import { createListener } from '../listener.ts';
import type { NoteFromThread, NoteToThread, Questions, SentArrival, ThreadData } from './messages.ts';
import { createReceiver } from './receiver.ts';
import { checkOf } from './schema-check.ts';
import { createReceiverServer } from './server.ts';
import { serverDigests } from '../server-digests.ts';
import { type Answers, answerMain, threadSide } from '../thread-side.ts';

const LIMITS = { headersMs: 10_000, requestMs: 30_000, keepAliveMs: 65_000, mostConnections: 10_000 };
const GRACE_MS = 2_000;
/** Of all bodies in hand. Buffers lie outside of what a thread's heap is limited to. */
const IN_HAND_BYTES = 192 * 1024 * 1024;

export function receiveWebhooks({ now }: { readonly now: () => Date }): void {
  const { tell, log } = threadSide<NoteFromThread>();
  const data = workerData as ThreadData;
  let settings = data.settings;
  let types = new Map<string, Readied>();

  const budget: Budget = { left: IN_HAND_BYTES };

  const journal = createJournalWriter({
    ...data,
    mostBytes: () => settings.journalBytes,
    onWrote: (segment, size) => tell({ is: 'wrote', segment, size }),
    onSealed: (segment) => tell({ is: 'sealed', segment }),
  });
  const receiver = createReceiver({ journal, types: (name) => types.get(name)?.type, now, log });
  const listener = createListener({
    cannot: 'Webhooks cannot be received',
    setting: 'webhooks',
    server: (tls) => createReceiverServer(onRequest, tls, LIMITS),
    graceMs: () => GRACE_MS,
  });

  function onRequest(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '/' } = request;
    const query = url.indexOf('?');
    const arrival: Arrival = {
      method,
      path: query < 0 ? url : url.slice(0, query),
      headers: headerOf(request),
      address: addressOf(request, settings.trustedProxies),
    };
    const head = receiver.head(arrival);
    if ('status' in head) return sendUnread(request, response, head);
    readBody(request, response, { most: head.ready.type.maxBytes, budget }, (body) => {
      const say =
        typeof body === 'string' ? sendUnread.bind(undefined, request, response) : send.bind(undefined, response);
      receiver.take(arrival, body, head, say);
    });
  }

  /** What did not change keeps what was made of it. */
  async function readied([name, type]: [string, HookType]): Promise<[string, Readied]> {
    const of = JSON.stringify(type);
    const known = types.get(name);
    if (known?.of === of) return [name, known];
    const check = type.schema && (await checkOf(type.schema.is));
    return [name, { of, type: readyType(type, serverDigests, check) }];
  }

  const answers: Answers<Questions> = {
    async settings(next) {
      settings = next;
      types = new Map(await Promise.all(Object.entries(next.types).map(readied)));
      try {
        await listener.moveTo(next.place);
        return { url: listener.url() };
      } catch (thrown) {
        return { url: listener.url(), problem: StewardError.from(thrown).toBody() };
      }
    },
    head(sent) {
      const head = receiver.head(arrivalOf(sent));
      return 'status' in head ? head : { maxBytes: head.ready.type.maxBytes };
    },
    take({ body, ...sent }) {
      const arrival = arrivalOf(sent);
      const head = receiver.head(arrival);
      if ('status' in head) return head;
      const bytes = typeof body === 'string' ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
      return new Promise<Answer>((resolve) => receiver.take(arrival, bytes, head, resolve));
    },
    keep: ({ body, ...rest }) =>
      new Promise<Answer>((resolve) =>
        receiver.keep({ ...rest, body: Buffer.from(body.buffer, body.byteOffset, body.byteLength) }, resolve),
      ),
    admit: (asked) => receiver.admit(asked),
    counts: () => receiver.counts,
    async stop() {
      await listener.moveTo(undefined);
      journal.close();
      return null;
    },
  };
  answerMain<Questions>(answers, (note: NoteToThread) => {
    if (note.is === 'read') journal.leave(note.segment);
    else journal.freed(note.bytes);
  });
}

interface Readied {
  readonly of: string;
  readonly type: ReadyType;
}

const arrivalOf = ({ headers, ...rest }: SentArrival): Arrival => ({ ...rest, headers: (name) => headers[name] });
