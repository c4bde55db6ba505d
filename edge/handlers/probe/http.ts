import { lacking } from './expectations.ts';
import { type Answer, exchange, type Exchanged } from './exchange.ts';
import type { HttpTarget } from './http-target.ts';

export interface Seen {
  readonly state: 'up' | 'degraded' | 'down' | 'unknown';
  readonly latencyMs: number;
  readonly message: string;
  readonly depth: 'connect' | 'handshake' | 'query';
  readonly detail: Readonly<Record<string, string | number>>;
}

export interface ProbeTimes {
  readonly timeoutMs: number;
  readonly slowMs: number;
}

/** Asks once, and says what a server of Steward would say of the same answer. Never throws for what the peer does. */
export async function probeHttp(target: HttpTarget, { timeoutMs, slowMs }: ProbeTimes): Promise<Seen> {
  const began = performance.now();
  const outcome = await exchange(target, timeoutMs);
  const latencyMs = Math.round((performance.now() - began) * 100) / 100;
  const seen = judge(target, outcome, timeoutMs);
  if (seen.state === 'up' && latencyMs > slowMs)
    return {
      ...seen,
      state: 'degraded',
      latencyMs,
      message: `slow: ${seen.message} after ${Math.round(latencyMs)} ms`,
    };
  return { ...seen, latencyMs };
}

function judge(target: HttpTarget, outcome: Exchanged, timeoutMs: number): Omit<Seen, 'latencyMs'> {
  if ('ended' in outcome) {
    const doing = outcome.ended === 'before' ? 'answer' : 'end of the answer';
    return {
      state: 'down',
      message: `no ${doing} within ${timeoutMs} ms`,
      depth: outcome.ended === 'before' ? 'connect' : 'handshake',
      detail: { code: 'TIMEOUT' },
    };
  }
  if ('error' in outcome) return failure(outcome.error);
  return judgeAnswer(target, outcome);
}

function judgeAnswer(target: HttpTarget, answer: Answer): Omit<Seen, 'latencyMs'> {
  const { status } = answer;
  const { expectStatus, acceptAnyBelow } = target;
  if (!expectStatus.includes(status) && !(acceptAnyBelow !== undefined && status < acceptAnyBelow)) {
    const expected = acceptAnyBelow === undefined ? expectStatus.join(' or ') : `below ${acceptAnyBelow}`;
    return { state: 'down', message: `HTTP ${status}, expected ${expected}`, depth: 'query', detail: { status } };
  }
  const missing = lacking(target, answer);
  if (missing?.is === 'unreadable')
    return { state: 'unknown', message: missing.message, depth: 'query', detail: { status } };
  if (missing)
    return { state: 'down', message: `HTTP ${status}, but ${missing.message}`, depth: 'query', detail: { status } };
  return { state: 'up', message: `HTTP ${status}`, depth: 'query', detail: { status } };
}

/** Of runtimes that say why; others only say that it failed. */
const REASONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection reset by the peer',
  EPIPE: 'connection closed by the peer',
  EHOSTUNREACH: 'host unreachable',
  ETIMEDOUT: 'no answer to the connection attempt',
  ENOTFOUND: 'the host name does not exist',
  UND_ERR_SOCKET: 'the connection was closed before the answer was complete',
};
const OWN_TROUBLE: Readonly<Record<string, string>> = {
  EAI_AGAIN: 'the name service of this machine does not answer',
  ENETUNREACH: 'this machine has no route to the network',
};

function failure(error: unknown): Omit<Seen, 'latencyMs'> {
  const cause = (error as { readonly cause?: unknown }).cause ?? error;
  const said = cause instanceof Error ? cause.message : String(cause);
  const code = codeOf(cause) ?? (/\bdns\b|name.*resol/i.test(said) ? 'DNS' : undefined);
  const detail: Seen['detail'] = code === undefined ? {} : { code };
  const own = ownTrouble(said) ?? OWN_TROUBLE[code ?? ''];
  if (own !== undefined) return { state: 'unknown', message: own, depth: 'connect', detail };
  const tls = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO)/.test(code ?? '');
  const message = tls ? `TLS: ${said}` : (REASONS[code ?? ''] ?? said);
  return { state: 'down', message: message.slice(0, 300), depth: 'connect', detail };
}

/** What a runtime does not let it do says nothing about who would have been asked. */
export function ownTrouble(said: string): string | undefined {
  // The standard of fetch forbids some ports.
  if (said === 'bad port') return 'a place of this kind may not ask this port';
  return /too many subrequests/i.test(said) ? 'cannot: the plan of this worker allows no more requests' : undefined;
}

/** Trying both addresses of a name fails with a bundle of errors; the first one speaks for it. */
function codeOf(cause: unknown): string | undefined {
  const { code, errors } = cause as { readonly code?: unknown; readonly errors?: readonly unknown[] };
  if (errors && errors.length > 0) return codeOf(errors[0]);
  return typeof code === 'string' ? code : undefined;
}
