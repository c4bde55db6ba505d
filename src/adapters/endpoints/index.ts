import { redactText } from '../../core/redact.ts';
import { storableText } from '../../core/storable-text.ts';
import type { WebhookSender } from '../../core/webhook-sender.ts';
import { retryAfter } from '../outbound/retry-after.ts';
import type { Outbound } from '../outbound/outbound.ts';
import { signed } from '../signing/standard-webhooks.ts';

/** Name, connection, request and answer together. */
const DEADLINE_MS = 15_000;
const ANSWER_BYTES = 1_024;
/** What is shorter is part of too many words to be taken out of them. */
const SECRET_LENGTH = 6;

/** POSTs to somebody's endpoint, past the guard of all outbound requests. Redirects are not followed. */
export function createWebhookSender({
  outbound,
  now,
  deadlineMs = DEADLINE_MS,
}: {
  readonly outbound: Pick<Outbound, 'request'>;
  readonly now: () => Date;
  readonly deadlineMs?: number;
}): WebhookSender {
  return {
    async send({ id, body, url, secrets, token, allowPrivate, signal }) {
      const {
        status,
        headers,
        body: answer,
      } = await outbound.request({
        url,
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'user-agent': 'steward',
          ...(token !== undefined && { authorization: `Bearer ${token.trim()}` }),
          ...(secrets.length > 0
            ? signed({ id, at: now(), body }, secrets, 'the endpoint')
            : { 'webhook-id': id, 'webhook-timestamp': String(Math.floor(now().getTime() / 1_000)) }),
        },
        body,
        allowPrivate,
        signal,
        timeoutMs: deadlineMs,
        maxResponseBytes: ANSWER_BYTES,
      });
      const wait = status === 429 || status === 503 ? retryAfter(headers['retry-after'], now()) : undefined;
      return {
        status,
        said: concealed(answer, [...secrets, ...(token === undefined ? [] : [token.trim()])]),
        ...(wait !== undefined && { retryAfterMs: wait }),
      };
    },
  };
}

/** A receiver that repeats a secret of the request does not bring it into a record; NUL has no place in one either. */
function concealed(text: string, secrets: readonly string[]): string {
  const hidden = secrets.filter(({ length }) => length >= SECRET_LENGTH);
  return redactText(hidden.reduce((left, secret) => left.replaceAll(secret, '***'), storableText(text)));
}
