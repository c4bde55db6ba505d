import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { redactText } from '../../core/redact.ts';
import type { Outbound, OutboundRequest, OutboundResponse } from '../outbound/outbound.ts';
import { retryAfter } from '../outbound/retry-after.ts';

export interface Delivery {
  readonly url: string;
  readonly method?: OutboundRequest['method'];
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: string;
  readonly allowPrivate: boolean;
  readonly signal: AbortSignal;
  /** Secrets of the request: a receiver that repeats one does not bring it into a message. */
  readonly conceal?: readonly string[];
  /** Answers that this service gives although a later try may be taken. */
  readonly later?: readonly number[];
  readonly maxResponseBytes?: number;
}

/** What is shorter is part of too many words to be taken out of them. */
const SECRET_LENGTH = 6;

/** Requests once. Throws a retryable error where a later try may be taken, and a permanent one where it will not. */
export async function call(outbound: Outbound, name: string, delivery: Delivery): Promise<OutboundResponse> {
  const {
    url,
    method = 'POST',
    headers,
    body,
    allowPrivate,
    signal,
    conceal = [],
    maxResponseBytes = 4_096,
  } = delivery;
  const hidden = conceal.filter(({ length }) => length >= SECRET_LENGTH);
  const response = await outbound.request({
    url,
    method,
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    ...(body === undefined ? {} : { body }),
    allowPrivate,
    signal,
    maxResponseBytes,
  });
  const told = { ...response, body: hidden.reduce((text, secret) => text.replaceAll(secret, '***'), response.body) };
  if (response.status >= 200 && response.status < 300) return told;
  throw refusal(name, told, delivery.later);
}

/** POSTs once; what the receiver answered is the receipt. */
export async function post(outbound: Outbound, name: string, delivery: Delivery): Promise<{ receipt: string }> {
  return { receipt: answerOf(await call(outbound, name, delivery)) };
}

export function answerOf({ status, body }: Pick<OutboundResponse, 'status' | 'body'>): string {
  const said = redactText(body.trim().replaceAll(/\s+/g, ' ').slice(0, 200));
  return `HTTP ${status}${said ? `: ${said}` : ''}`;
}

/** What a service calls the message that it took; where it says none, what it says. */
export function receiptOf(answer: OutboundResponse, message: string | number | undefined): { receipt: string } {
  return { receipt: message === undefined ? answerOf(answer) : `HTTP ${answer.status}: message ${message}` };
}

const LATER = new Set([408, 425, 429]);

function refusal(
  name: string,
  response: Pick<OutboundResponse, 'status' | 'headers' | 'body'>,
  later: readonly number[] = [],
): StewardError {
  const { status, headers, body } = response;
  const message = `The receiver of channel ${name} answered ${answerOf(response)}.`;
  // Git hosts refuse for a while with 403.
  const isTooMuch =
    status === 429 ||
    (status === 403 && (headers['retry-after'] !== undefined || headers['x-ratelimit-remaining'] === '0'));
  if (isTooMuch || status === 503) {
    return new StewardError(isTooMuch ? 'RATE_LIMITED' : 'UNAVAILABLE', message, {
      retryAfterMs: retryAfter(headers['retry-after'], new Date()) ?? waitIn(body),
      hint: 'It is tried again.',
    });
  }
  if (status >= 500 || LATER.has(status) || later.includes(status))
    return new StewardError('UNAVAILABLE', message, { hint: 'It is tried again.' });
  return new StewardError('PRECONDITION_FAILED', message, {
    hint:
      status < 400
        ? 'Redirects are not followed: give the final address.'
        : `Correct the address or the secret of channel ${name} in steward.yaml.`,
  });
}

/** Discord and Telegram say in the body how many seconds they want to be left alone. */
const Wait = z.union([
  z.object({ retry_after: z.number().min(0) }),
  z.object({ parameters: z.object({ retry_after: z.number().min(0) }) }),
]);

function waitIn(body: string): number | undefined {
  const wait = Wait.safeParse(jsonOf(body)).data;
  if (!wait) return undefined;
  return Math.ceil(('parameters' in wait ? wait.parameters : wait).retry_after * 1_000);
}

/** What a body says, `undefined` where it is no JSON. */
export function jsonOf(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch {
    return undefined;
  }
}
