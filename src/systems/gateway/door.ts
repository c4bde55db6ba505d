// What happens to one request: it is judged, passed on or answered, and written down.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { after, type Soon } from '../../../edge/handlers/soon.ts';
import type { Callers } from '../../../edge/handlers/gateway/callers.ts';
import type { Counters } from '../../../edge/handlers/gateway/counters.ts';
import { toClient, toUpstream, trailersToClient } from '../../../edge/handlers/gateway/headers.ts';
import type { judge as judging } from '../../../edge/handlers/gateway/judge.ts';
import type { Forward, Verdict } from '../../../edge/handlers/gateway/verdict.ts';
import type { ReadyRoutes } from '../../../edge/handlers/gateway/ready.ts';
import type { Log } from '../../core/log.ts';
import { addressOf, schemeOf } from '../address-of.ts';
import type { AccessLog } from './access-log.ts';
import { bump, type Figures, figuresOf } from './figures.ts';
import { lastWords } from './last-words.ts';
import { type Failure, hasBody, pass, type Passed } from './passage.ts';
import { recordOf } from './record.ts';
import { createRequestIds } from './request-ids.ts';
import type { Doors } from './server.ts';
import { createTunnels, type Tunnels } from './tunnel.ts';
import { createUnjudged, type Flaw, type Told } from './unjudged.ts';
import type { Upstream } from './upstream.ts';

export interface DoorDeps {
  readonly judge: typeof judging;
  readonly routes: () => ReadyRoutes;
  readonly upstream: (name: string) => Upstream | undefined;
  readonly callers: Callers;
  readonly counters: () => Counters;
  readonly trustedProxies: () => readonly string[];
  readonly accessLog: Pick<AccessLog, 'write'>;
  readonly figures: Figures;
  readonly now: () => Date;
  readonly log: Log;
}

const FAILED: Readonly<Record<Failure, readonly [status: number, message: string]>> = {
  'too-large': [413, 'The body is longer than this route takes.'],
  'slow-body': [408, 'The body did not come in time.'],
  'upstream-down': [503, 'The service is not available.'],
  'upstream-full': [503, 'The service has too much to do.'],
  'upstream-failed': [502, 'The service did not answer as it should.'],
  'upstream-slow': [504, 'The service did not answer in time.'],
};

const RETRY_SECONDS = '5';
const DRAINED_BYTES = 64 * 1024;
/** A Node that stops reading at some number still has the others in its raw list: what is passed on must be what was judged. */
const MOST_HEADERS = 200;
/** With two of them, two servers may go by different ones. */
const ONCE = new Set(['host', 'authorization', 'content-type', 'content-length', 'transfer-encoding', 'x-api-key']);

export function createDoor(deps: DoorDeps): Doors & { readonly tunnels: Tunnels } {
  const { judge, routes, callers, counters, trustedProxies, accessLog, figures, now, log } = deps;
  const tunnels = createTunnels();
  const newId = createRequestIds(now);
  const unjudged = createUnjudged({ ...deps, newId });

  function judged(request: IncomingMessage): Soon<Verdict> {
    const { headers } = request;
    return judge(
      {
        method: request.method ?? '',
        target: request.url ?? '',
        host: headers.host ?? '',
        scheme: schemeOf(request, trustedProxies()),
        header(name) {
          const value = headers[name];
          return typeof value === 'object' ? value.join(', ') : value;
        },
        address: addressOf(request, trustedProxies()),
      },
      routes(),
      { counters: counters(), callers, now: now().getTime(), newId },
    );
  }

  function handle(request: IncomingMessage, response: ServerResponse): Soon<void> {
    const began = performance.now();
    figures.requests += 1;
    const flaw = flawOf(request.rawHeaders);
    if (flaw === undefined) return after(judged(request), (verdict) => follow(request, response, verdict, began));
    return unjudged.flawed(request, flaw).then(({ status, headers, body }) => {
      response.setHeader('connection', 'close');
      answer(response, status, body, headers);
    });
  }

  function follow(request: IncomingMessage, response: ServerResponse, verdict: Verdict, began: number): void {
    if (request.socket.destroyed) return finish(verdict, began, began, { is: 'client-gone', status: undefined });
    if (verdict.is !== 'forward') {
      const headers = { ...verdict.headers, 'x-request-id': verdict.trace.id };
      const status = verdict.status;
      if (verdict.is === 'refuse') {
        bump(figures.refusals, verdict.code);
        closing(request, response);
        answer(response, status, { error: verdict.message, id: verdict.trace.id }, headers);
      } else {
        response.writeHead(status, headers);
        response.end();
      }
      return finish(verdict, began, began, { status });
    }
    const upstream = deps.upstream(verdict.upstream);
    if (!upstream) {
      fail(request, response, verdict, 'upstream-down');
      const why = `There is no upstream '${verdict.upstream}'.`;
      return finish(verdict, began, performance.now(), { status: 503, why });
    }
    if (Number(request.headers['content-length'] ?? 0) > verdict.maxBodyBytes) {
      fail(request, response, verdict, 'too-large');
      bump(figures.failures, 'too-large');
      const why = `at most ${verdict.maxBodyBytes} bytes`;
      return finish(verdict, began, performance.now(), { status: 413, why });
    }
    const sends = hasBody(request);
    const { expect } = request.headers;
    if (sends && expect !== undefined && /100-continue/i.test(expect)) response.writeContinue();
    if (sends && !unjudged.goesOn(response, verdict.response.set))
      return finish(verdict, began, began, { is: 'client-gone', status: undefined });
    const own = performance.now();
    pass(
      {
        request,
        response,
        upstream,
        method: request.method ?? 'GET',
        path: verdict.target,
        headers: upstreamHeaders(request, verdict),
        answerHeaders: (raw) => toClient(raw, verdict.response),
        answerTrailers: (raw) => trailersToClient(raw, verdict.response),
        maxBodyBytes: verdict.maxBodyBytes,
        answerMs: leftOf(verdict, began, own),
      },
      (passed) =>
        guarded(request, response, () => {
          let { status } = passed;
          if (isFailure(passed.is)) {
            status = fail(request, response, verdict, passed.is);
            bump(figures.failures, passed.is);
          } else if (passed.is !== 'whole') bump(figures.failures, passed.is);
          finish(verdict, began, passed.askedAt ?? own, { ...passed, status });
        }),
    );
  }

  /** Whatever goes wrong here is said, once, and keeps nobody waiting. */
  function guarded(request: IncomingMessage, response: ServerResponse, work: () => Soon<void>): void {
    const failed = (thrown: unknown): void => {
      void wentWrong(request, thrown, 'a request to the gateway could not be answered').then((told) => {
        if (response.headersSent) response.destroy();
        else answer(response, told.status, told.body, told.headers);
      });
    };
    try {
      const working = work();
      if (working instanceof Promise) working.catch(failed);
    } catch (thrown) {
      failed(thrown);
    }
  }

  function finish(
    verdict: Verdict,
    began: number,
    own: number,
    ended: Partial<Passed> & { readonly status: number | undefined },
  ): void {
    const at = performance.now();
    // A WebSocket takes as long as people talk.
    if (ended.status !== 101) figures.total.add(at - began);
    figures.own.add(own - began);
    const route = figuresOf(figures, verdict.trace.route);
    route.requests += 1;
    if (verdict.is === 'refuse') route.refused += 1;
    else if (ended.status === undefined || ended.status >= 500) route.failed += 1;
    if (ended.status !== 101) route.total.add(at - began);
    bump(figures.byStatus, ended.status === undefined ? 'none' : `${Math.floor(ended.status / 100)}xx`);
    accessLog.write(recordOf(verdict, { ...ended, ms: at - began, ownMs: own - began }));
  }

  function fail(request: IncomingMessage, response: ServerResponse, verdict: Forward, failure: Failure): number {
    const [status, error] = FAILED[failure];
    if (response.headersSent || response.destroyed) return status;
    closing(request, response);
    answer(response, status, { error, id: verdict.trace.id }, failedHeaders(verdict, status));
    return status;
  }

  return {
    tunnels,
    request(request, response) {
      guarded(request, response, () => handle(request, response));
    },
    upgrade(request, socket, head) {
      upgraded(request, socket, head).catch((thrown: unknown) => {
        void wentWrong(request, thrown, 'an upgrade at the gateway could not be answered').then((told) =>
          lastWords(socket, told.status, told.headers, told.body),
        );
      });
    },
    malformed: unjudged.malformed,
    tunnel: unjudged.tunnel,
  };

  async function wentWrong(request: IncomingMessage, thrown: unknown, what: string): Promise<Told> {
    const told = await unjudged.failed(request, String(thrown));
    log.error(what, { id: told.body.id, reason: String(thrown) });
    return told;
  }

  async function upgraded(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const began = performance.now();
    figures.requests += 1;
    socket.on('error', () => undefined);
    const flaw = flawOf(request.rawHeaders);
    if (flaw !== undefined) {
      const { status, headers, body } = await unjudged.flawed(request, flaw);
      return lastWords(socket, status, headers, body);
    }
    const verdict = await judged(request);
    if (socket.destroyed) return finish(verdict, began, began, { is: 'client-gone', status: undefined });
    const { id } = verdict.trace;
    if (verdict.is !== 'forward') {
      if (verdict.is === 'refuse') bump(figures.refusals, verdict.code);
      const error = verdict.is === 'refuse' ? verdict.message : 'A preflight is no upgrade.';
      lastWords(socket, verdict.status, { ...verdict.headers, 'x-request-id': id }, { error, id });
      return finish(verdict, began, began, { status: verdict.status });
    }
    const upstream = deps.upstream(verdict.upstream);
    const own = performance.now();
    const passed = upstream
      ? await tunnels.open({
          request,
          socket,
          head,
          upstream,
          path: verdict.target,
          headers: upstreamHeaders(request, verdict),
          answerHeaders: (raw) => toClient(raw, verdict.response),
          answerMs: leftOf(verdict, began, own),
        })
      : ({ is: 'upstream-down', status: undefined } as const);
    if (passed.is !== 'whole') bump(figures.failures, passed.is);
    if (!isFailure(passed.is)) return finish(verdict, began, own, passed);
    const [status, error] = FAILED[passed.is];
    lastWords(socket, status, failedHeaders(verdict, status), { error, id });
    finish(verdict, began, own, { ...passed, status });
  }
}

/** Milliseconds: who waited here to be judged waits that much less for the upstream. */
function leftOf({ timeoutMs }: Forward, began: number, now: number): number {
  return Math.max(1, timeoutMs - (now - began));
}

function failedHeaders({ response }: Forward, status: number): Readonly<Record<string, string>> {
  return { ...response.set, ...(status === 503 && { 'retry-after': RETRY_SECONDS }) };
}

function upstreamHeaders({ rawHeaders, headers }: IncomingMessage, { request }: Forward): string[] {
  // What was expected is said by who answers here.
  if (headers.expect === undefined) return toUpstream(rawHeaders, request);
  return toUpstream(rawHeaders, { ...request, drop: [...request.drop, 'expect'] });
}

function flawOf(rawHeaders: readonly string[]): Flaw | undefined {
  if (rawHeaders.length > 2 * MOST_HEADERS) return { status: 431, why: `There are more than ${MOST_HEADERS} headers.` };
  const twice = saidTwice(rawHeaders);
  return twice === undefined ? undefined : { status: 400, why: `The header ${twice} is there twice.` };
}

function saidTwice(rawHeaders: readonly string[]): string | undefined {
  let seen: Set<string> | undefined;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    if (!ONCE.has(name)) continue;
    if (seen?.has(name)) return name;
    (seen ??= new Set()).add(name);
  }
  return undefined;
}

function isFailure(is: Passed['is']): is is Failure {
  return Object.hasOwn(FAILED, is);
}

/** Of what nobody wants a little is read, so that the connection can go on; with more on its way it ends with the answer. */
function closing(request: IncomingMessage, response: ServerResponse): void {
  const length = Number(request.headers['content-length'] ?? 0);
  if (request.complete || (request.headers['transfer-encoding'] === undefined && length <= DRAINED_BYTES)) return;
  response.setHeader('connection', 'close');
}

function answer(
  response: ServerResponse,
  status: number,
  body: object,
  headers: Readonly<Record<string, string>>,
): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {
    ...headers,
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
  });
  response.end(text);
}
