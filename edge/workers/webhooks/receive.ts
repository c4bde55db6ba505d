import { webDigests } from '../../handlers/digests.ts';
import { contentOf } from '../../handlers/webhooks/content.ts';
import {
  type Accepted,
  type Arrival,
  judgeBody,
  judgeHead,
  type Refused,
  tooLarge,
} from '../../handlers/webhooks/receive.ts';
import { LEVELS, storable } from '../../handlers/webhooks/storable.ts';
import { readBody } from '../body.ts';
import { type Env, typesOf } from './env.ts';
import type { Queued } from './bring.ts';

/** What a queue takes, with some room for what it adds itself. */
const MESSAGE_BYTES = 120_000;
const RETRY_SECONDS = '5';

/** Answers 202 only when the queue has it. */
export async function receive(request: Request, env: Env): Promise<Response> {
  const header = (name: string): string | undefined => request.headers.get(name) ?? undefined;
  const arrival: Arrival = {
    method: request.method,
    path: new URL(request.url).pathname,
    headers: header,
    // The platform sets it itself, whatever the sender says.
    address: header('cf-connecting-ip') ?? '',
  };
  const head = judgeHead(arrival, typesOf(env));
  if (head.is === 'refused') return refusal(head);
  const body = await readBody(request, head.ready.type.maxBytes);
  if (body === 'too-large') return refusal(tooLarge(head.ready));
  const now = Date.now();
  const verdict = await judgeBody(arrival, body, head, {
    digests: webDigests,
    now,
    newId: () => crypto.randomUUID(),
  });
  if (verdict.is === 'refused') return refusal(verdict);
  if (verdict.is === 'answered') return Response.json(verdict.body);
  const data = contentOf(header, body, true)?.data;
  const isOrdered = head.ready.type.key !== undefined;
  return await queue(verdict, { data, now, address: arrival.address, isOrdered }, env);
}

interface Seen {
  readonly data: unknown;
  readonly now: number;
  readonly address: string;
  readonly isOrdered: boolean;
}

async function queue(
  { id, type, source, senderId, key }: Accepted,
  { data, now, address, isOrdered }: Seen,
  env: Env,
): Promise<Response> {
  const message = {
    id,
    type,
    data,
    timestamp: new Date(now).toISOString(),
    source,
    senderId,
    address,
    ...(isOrdered && { key: key ?? null }),
  } satisfies Queued;
  const text = textOf(message);
  if (text === undefined) return Response.json({ error: `At most ${LEVELS} levels are taken.` }, { status: 400 });
  if (new TextEncoder().encode(text).length > MESSAGE_BYTES)
    return Response.json({ error: `At most ${MESSAGE_BYTES} bytes can be queued here.` }, { status: 413 });
  try {
    await env.QUEUE.send(text, { contentType: 'text' });
  } catch (thrown) {
    console.error(`webhook ${id} could not be queued: ${String(thrown)}`);
    return Response.json(
      { error: 'It could not be queued, so it was not taken: send it again.' },
      { status: 503, headers: { 'retry-after': RETRY_SECONDS } },
    );
  }
  return Response.json({ status: 'queued', id }, { status: 202 });
}

/** As Steward takes it; nothing where it never would. */
function textOf(message: Queued): string | undefined {
  try {
    return JSON.stringify(storable(message, LEVELS));
  } catch {
    return undefined;
  }
}

function refusal({ status, message, headers }: Refused): Response {
  return Response.json({ error: message }, { status, headers: { ...headers, 'cache-control': 'no-store' } });
}
