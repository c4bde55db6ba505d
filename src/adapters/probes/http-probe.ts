import { Agent, type Dispatcher } from 'undici';
import type { CheckTarget, ProbeResult } from '../../core/check.ts';
import { startDeadline } from './deadline.ts';
import { endingResult, errorCode, networkFailure } from './network-failure.ts';
import { type ProbeOptions, answered, peerText, saw } from './result.ts';

type HttpTarget = Extract<CheckTarget, { kind: 'http' }>;
type Outcome =
  | { readonly status: number; readonly location: string | undefined; readonly body: Buffer }
  | { readonly error: Error };

interface Request {
  readonly origin: string;
  readonly path: string;
  readonly headers: Record<string, string>;
}

const MAX_REDIRECTS = 5;
/** Enough to look for a text in; a longer answer is cut off here and judged by what came. */
const BODY_LIMIT = 256 * 1024;
const SHOWN_BODY = 200;

/**
 * GET by undici's dispatch: of what was measured for 1,000 loopback checks (keep-alive: node:http 70 ms of CPU, undici's request 35,
 * its dispatch 20; new connections: 95 and 100), the cheapest that brings a real parser, TLS and a pool.
 */
export function createHttpProbe() {
  const strict = createAgent(true);
  let lenient: Agent | undefined;
  const requests = new WeakMap<HttpTarget, Request>();

  async function probe(target: HttpTarget, options: ProbeOptions): Promise<ProbeResult> {
    const agent = target.insecure ? (lenient ??= createAgent(false)) : strict;
    let request = requests.get(target);
    if (!request) requests.set(target, (request = describe(new URL(target.url), target.headers)));
    const startedAt = performance.now();
    return await new Promise((resolve) => {
      let exchange: Exchange | undefined;
      const clear = startDeadline(options.timeoutMs, options.signal, (ending) => {
        exchange?.drop();
        resolve(
          endingResult(
            ending,
            options.timeoutMs,
            exchange?.status ? 'handshake' : 'connect',
            startedAt,
            exchange?.status ? 'end of the answer' : 'answer',
          ),
        );
      });
      let redirects = 0;
      let retried = false;
      const ask = (current: Request, fresh: boolean): void => {
        exchange = new Exchange(target.expectBody === undefined ? SHOWN_BODY : BODY_LIMIT, (outcome) => {
          // A kept connection may have been closed by the peer in the same instant; that says nothing about its health.
          if ('error' in outcome && !retried && exchange?.status === 0 && wasReset(outcome.error)) {
            retried = true;
            return ask(current, true);
          }
          const next =
            target.followRedirects && !('error' in outcome) ? redirection(current, outcome, target.headers) : undefined;
          if (next && redirects < MAX_REDIRECTS) {
            redirects += 1;
            return ask(next, false);
          }
          clear();
          resolve('error' in outcome ? failure(outcome.error, startedAt) : judge(target, outcome, startedAt, options));
        });
        dispatch(agent, current, fresh, exchange);
      };
      ask(request, false);
    });
  }

  return {
    probe,
    async close() {
      await Promise.all([strict.destroy(), lenient?.destroy()]);
    },
  };
}

function createAgent(rejectUnauthorized: boolean): Agent {
  // The deadline of the probe covers headers and body; undici's own timers would only be set a second time.
  return new Agent({
    connections: null,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { rejectUnauthorized },
  });
}

function describe(url: URL, headers: Readonly<Record<string, string>>): Request {
  return {
    origin: url.origin,
    path: url.pathname + url.search,
    headers: { 'user-agent': 'steward', accept: '*/*', ...headers },
  };
}

function dispatch(agent: Agent, request: Request, fresh: boolean, exchange: Exchange): void {
  try {
    agent.dispatch({ ...request, method: 'GET', reset: fresh }, exchange);
  } catch (thrown) {
    exchange.onResponseError(undefined, thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

/** One request and its answer; `done` is called once. */
class Exchange implements Dispatcher.DispatchHandler {
  status = 0;
  readonly #limit: number;
  readonly #done: (outcome: Outcome) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #location: string | undefined;
  #chunks: Buffer[] = [];
  #bytes = 0;
  #over = false;

  constructor(limit: number, done: (outcome: Outcome) => void) {
    this.#limit = limit;
    this.#done = done;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error('given up before it was sent'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (status < 200) return;
    this.status = status;
    const location = status >= 300 && status < 400 ? headers['location'] : undefined;
    this.#location = typeof location === 'string' ? location : undefined;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#bytes < this.#limit) this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes > BODY_LIMIT) {
      this.#finish();
      this.drop();
    }
  }

  onResponseEnd(): void {
    this.#finish();
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#done({ error });
  }

  /** Lets go of the connection; nothing is reported any more. */
  drop(): void {
    this.#over = true;
    this.#controller?.abort(new Error('given up'));
  }

  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#done({
      status: this.status,
      location: this.#location,
      body: this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks),
    });
  }
}

function redirection(
  from: Request,
  { location }: { location: string | undefined },
  headers: Readonly<Record<string, string>>,
): Request | undefined {
  if (location === undefined) return undefined;
  const url = URL.parse(location, from.origin + from.path);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  // Headers may hold credentials for the first host; they stay with it.
  return describe(url, url.origin === from.origin ? headers : {});
}

function judge(
  target: HttpTarget,
  { status, body }: { status: number; body: Buffer },
  startedAt: number,
  options: ProbeOptions,
): ProbeResult {
  const healthy =
    target.expectStatus.includes(status) || (target.acceptAnyBelow !== undefined && status < target.acceptAnyBelow);
  if (!healthy) {
    const expected =
      target.acceptAnyBelow === undefined ? target.expectStatus.join(' or ') : `below ${target.acceptAnyBelow}`;
    return saw('down', 'query', `HTTP ${status}, expected ${expected}`, startedAt, { status, body: shown(body) });
  }
  if (target.expectBody !== undefined && !body.includes(target.expectBody)) {
    return saw('down', 'query', `HTTP ${status}, but the body lacks the expected text`, startedAt, {
      status,
      body: shown(body),
    });
  }
  return answered('query', `HTTP ${status}`, startedAt, options, { status });
}

function shown(body: Buffer): string {
  return peerText(body.toString('utf8', 0, SHOWN_BODY * 4), SHOWN_BODY);
}

function wasReset(error: Error): boolean {
  return ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(errorCode(error));
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
