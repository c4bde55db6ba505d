import { StewardError } from '../../core/errors.ts';
import type { Outbound, OutboundResponse } from '../outbound/outbound.ts';

export interface Post {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly allowPrivate: boolean;
  readonly signal: AbortSignal;
}

/** POSTs once. Throws a retryable error where a later try may be taken, and a permanent one where it will not. */
export async function post(
  outbound: Outbound,
  name: string,
  { url, headers, body, allowPrivate, signal }: Post,
): Promise<{ receipt: string }> {
  const response = await outbound.request({
    url,
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body,
    allowPrivate,
    signal,
    maxResponseBytes: 4_096,
  });
  if (response.status >= 200 && response.status < 300) return { receipt: `HTTP ${response.status}` };
  throw refusal(name, response);
}

const LATER = new Set([408, 425, 429]);

function refusal(name: string, { status, headers, body }: OutboundResponse): StewardError {
  const said = body.trim().replaceAll(/\s+/g, ' ').slice(0, 200);
  const message = `The receiver of channel ${name} answered HTTP ${status}${said ? `: ${said}` : ''}.`;
  if (status === 429 || status === 503) {
    return new StewardError(status === 429 ? 'RATE_LIMITED' : 'UNAVAILABLE', message, {
      retryAfterMs: retryAfter(headers['retry-after']),
      hint: 'It is tried again.',
    });
  }
  if (status >= 500 || LATER.has(status))
    return new StewardError('UNAVAILABLE', message, { hint: 'It is tried again.' });
  return new StewardError('PRECONDITION_FAILED', message, {
    hint:
      status < 400
        ? 'Redirects are not followed: give the final address.'
        : `Correct the address or the secret of channel ${name} in steward.yaml.`,
  });
}

/** Seconds, or a date; anything else says nothing. */
function retryAfter(value: string | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (/^\d+$/.test(value)) return Number(value) * 1_000;
  const at = Date.parse(value);
  return Number.isNaN(at) ? undefined : Math.max(0, at - Date.now());
}
