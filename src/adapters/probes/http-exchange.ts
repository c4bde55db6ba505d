import { Agent, type Dispatcher } from 'undici';
import { type Ending, startDeadline } from './deadline.ts';
import { keptAway, type MayGoTo, mayGoToHost } from './guard.ts';
import { errorCode } from './network-failure.ts';
import type { Lookup } from './names.ts';
import type { ProbeOptions } from './result.ts';

export interface HttpRequest {
  readonly origin: string;
  readonly path: string;
  readonly method: Dispatcher.HttpMethod;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | undefined;
}

export type HttpHeaders = Readonly<Record<string, string | string[] | undefined>>;

export type HttpOutcome =
  | { readonly status: number; readonly headers: HttpHeaders; readonly body: Buffer; readonly cut: boolean }
  | { readonly error: Error }
  /** `status` is 0 where no answer began. */
  | { readonly ending: Ending; readonly status: number };

export interface AskOptions {
  readonly insecure?: boolean | undefined;
  readonly followRedirects?: boolean | undefined;
  /** Bytes of the body that are kept; reading ends at `BODY_LIMIT` in any case. */
  readonly keep: number;
}

export interface HttpClient {
  ask(request: HttpRequest, how: AskOptions, options: ProbeOptions): Promise<HttpOutcome>;
  close(): Promise<void>;
}

const MAX_REDIRECTS = 5;
/** Enough to look for a text in; a longer answer is cut off here and judged by what came. */
export const BODY_LIMIT = 256 * 1024;
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * HTTP by undici's dispatch: of what was measured for 1,000 loopback checks (keep-alive: node:http 70 ms of CPU, undici's request 35,
 * its dispatch 20; new connections: 95 and 100), the cheapest that brings a real parser, TLS and a pool.
 */
export function createHttpClient(lookup: Lookup, mayGoTo: MayGoTo = () => true): HttpClient {
  const strict = createAgent(true, lookup);
  let lenient: Agent | undefined;

  return {
    ask(first, { insecure, followRedirects, keep }, options) {
      const agent = insecure ? (lenient ??= createAgent(false, lookup)) : strict;
      return new Promise((resolve) => {
        let exchange: Exchange | undefined;
        const clear = startDeadline(options.timeoutMs, options.signal, (ending) => {
          const status = exchange?.status ?? 0;
          exchange?.drop();
          resolve({ ending, status });
        });
        let redirects = 0;
        let retried = false;
        const go = (request: HttpRequest, fresh: boolean): void => {
          const current = new Exchange(keep, (outcome) => {
            // A kept connection may have been closed by the peer in the same instant; that says nothing about its health.
            if ('error' in outcome && !retried && REPEATABLE.has(request.method) && wasReset(current, outcome.error)) {
              retried = true;
              return go(request, true);
            }
            const next = followRedirects && 'body' in outcome ? redirection(first, request, outcome) : undefined;
            if (next && redirects < MAX_REDIRECTS) {
              redirects += 1;
              return go(next, false);
            }
            clear();
            resolve(outcome);
          });
          exchange = current;
          const { hostname } = new URL(request.origin);
          if (!mayGoToHost(hostname, mayGoTo)) return current.onResponseError(undefined, keptAway(hostname));
          dispatch(agent, request, fresh, current);
        };
        go(first, false);
      });
    },
    async close() {
      await Promise.all([strict.destroy(), lenient?.destroy()]);
    },
  };
}

export function requestTo(
  url: URL,
  {
    method = 'GET',
    headers = {},
    body,
  }: {
    method?: Dispatcher.HttpMethod | undefined;
    headers?: Readonly<Record<string, string>>;
    body?: string | undefined;
  } = {},
): HttpRequest {
  return {
    origin: url.origin,
    path: url.pathname + url.search,
    method,
    headers: { 'user-agent': 'steward', accept: '*/*', ...headers },
    ...(body !== undefined && { body }),
  };
}

function createAgent(rejectUnauthorized: boolean, lookup: Lookup): Agent {
  // The deadline of the probe covers headers and body; undici's own timers would only be set a second time.
  return new Agent({
    connections: null,
    pipelining: 1,
    headersTimeout: 0,
    bodyTimeout: 0,
    connect: { rejectUnauthorized, lookup },
  });
}

function dispatch(agent: Agent, request: HttpRequest, fresh: boolean, exchange: Exchange): void {
  try {
    agent.dispatch({ ...request, body: request.body ?? null, reset: fresh }, exchange);
  } catch (thrown) {
    exchange.onResponseError(undefined, thrown instanceof Error ? thrown : new Error(String(thrown)));
  }
}

/** One request and its answer; `done` is called once. */
class Exchange implements Dispatcher.DispatchHandler {
  status = 0;
  readonly #keep: number;
  readonly #done: (outcome: HttpOutcome) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #headers: HttpHeaders = {};
  #chunks: Buffer[] = [];
  #bytes = 0;
  #over = false;

  constructor(keep: number, done: (outcome: HttpOutcome) => void) {
    this.#keep = keep;
    this.#done = done;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#over) controller.abort(new Error('given up before it was sent'));
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number, headers: HttpHeaders): void {
    if (status < 200) return;
    this.status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#bytes < this.#keep) this.#chunks.push(chunk);
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
      headers: this.#headers,
      body: this.#chunks.length === 1 ? (this.#chunks[0] as Buffer) : Buffer.concat(this.#chunks),
      cut: this.#bytes > BODY_LIMIT,
    });
  }
}

function redirection(
  first: HttpRequest,
  from: HttpRequest,
  { status, headers }: { status: number; headers: HttpHeaders },
): HttpRequest | undefined {
  const { location } = headers;
  if (status < 300 || status > 399 || typeof location !== 'string') return undefined;
  const url = URL.parse(location, from.origin + from.path);
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) return undefined;
  const again = status === 307 || status === 308 || REPEATABLE.has(from.method);
  // Headers and body may hold credentials for the first host; they stay with it.
  const home = url.origin === first.origin;
  return requestTo(url, {
    method: again ? from.method : 'GET',
    ...(home && { headers: first.headers }),
    ...(home && again && { body: from.body }),
  });
}

function wasReset({ status }: Exchange, error: Error): boolean {
  return status === 0 && ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(errorCode(error));
}
