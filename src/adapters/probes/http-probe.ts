import type { ProbeResult, TargetOf } from '../../core/check.ts';
import { REDACTED } from '../../core/redact.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import { lacking, looksAtBody } from './http-assertions.ts';
import { BODY_LIMIT, type HttpClient, type HttpOutcome, type HttpRequest, requestTo } from './http-exchange.ts';
import { endingResult, errorCode, networkFailure } from './network-failure.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

type HttpTarget = TargetOf<'http'>;

const SHOWN_BODY = 200;

export function createHttpProbe(client: HttpClient, secrets: SecretResolver) {
  const requests = new WeakMap<HttpTarget, HttpRequest>();

  return async (target: HttpTarget, options: ProbeOptions): Promise<ProbeResult> => {
    const hidden: string[] = [];
    let request = requests.get(target);
    if (!request) {
      const headers = await revealed(target.headers, secrets, hidden);
      request = requestTo(new URL(target.url), { method: target.method, headers, body: target.body });
      // A secret is looked up at each use.
      if (hidden.length === 0) requests.set(target, request);
    }
    const startedAt = performance.now();
    const keep = looksAtBody(target) ? BODY_LIMIT : SHOWN_BODY;
    const outcome = await client.ask(request, { ...target, keep }, options);
    return judge(target, outcome, startedAt, options, hidden);
  };
}

async function revealed(
  headers: HttpTarget['headers'],
  secrets: SecretResolver,
  hidden: string[],
): Promise<Record<string, string>> {
  const plain: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value !== 'string') hidden.push((plain[name] = (await secrets(value)).trim()));
    else plain[name] = value;
  }
  return plain;
}

function judge(
  target: HttpTarget,
  outcome: HttpOutcome,
  startedAt: number,
  options: ProbeOptions,
  hidden: readonly string[],
): ProbeResult {
  if (!('body' in outcome)) return unanswered(outcome, startedAt, options);
  const { status, body } = outcome;
  const conceal = (text: string): string =>
    hidden.reduce((shown, secret) => (secret === '' ? shown : shown.replaceAll(secret, REDACTED)), text);
  const down = (message: string): ProbeResult =>
    saw('down', 'query', conceal(message), startedAt, {
      status,
      body: peerText(conceal(body.toString('utf8', 0, SHOWN_BODY * 4)), SHOWN_BODY),
    });
  const healthy =
    target.expectStatus.includes(status) || (target.acceptAnyBelow !== undefined && status < target.acceptAnyBelow);
  if (!healthy) {
    const expected =
      target.acceptAnyBelow === undefined ? target.expectStatus.join(' or ') : `below ${target.acceptAnyBelow}`;
    return down(`HTTP ${status}, expected ${expected}`);
  }
  const missing = lacking(target, outcome);
  if (missing) return down(`HTTP ${status}, but ${missing}`);
  return answered('query', `HTTP ${status}`, startedAt, options, { status });
}

/** What to say where no whole answer came. */
export function unanswered(
  outcome: Exclude<HttpOutcome, { readonly body: Buffer }>,
  startedAt: number,
  { timeoutMs }: ProbeOptions,
): ProbeResult {
  if ('error' in outcome) return failure(outcome.error, startedAt);
  return endingResult(
    outcome.ending,
    timeoutMs,
    outcome.status > 0 ? 'handshake' : 'connect',
    startedAt,
    outcome.status > 0 ? 'end of the answer' : 'answer',
  );
}

function failure(error: Error, startedAt: number): ProbeResult {
  const code = errorCode(error);
  if (error.name === 'HTTPParserError')
    return saw('down', 'connect', `it answers, but not in HTTP: ${error.message}`, startedAt, { code });
  if (code === 'UND_ERR_HEADERS_OVERFLOW')
    return saw('down', 'connect', 'its response headers do not end', startedAt, { code });
  if (code === 'UND_ERR_SOCKET')
    return saw('down', 'connect', 'the connection was closed before the answer was complete', startedAt, { code });
  if (code === 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH')
    return saw('down', 'query', 'the answer is shorter or longer than it says', startedAt, { code });
  if (TLS_ERROR.test(code)) return saw('down', 'connect', `TLS: ${error.message}`, startedAt, { code });
  return networkFailure(error, 'connect', startedAt);
}

const TLS_ERROR = /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|EPROTO|HOSTNAME_MISMATCH)/;
