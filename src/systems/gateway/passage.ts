// One request through the gateway to an upstream, and its answer back: what streams is never held as a whole.
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Dispatcher } from 'undici';
import { type HeaderList, inPairs } from '../../../edge/handlers/gateway/headers.ts';
import { unwatch, type Waits, watch } from './deadlines.ts';
import { reset } from './reset.ts';
import type { Target } from './target.ts';
import { afterWrites, writeTogether } from './turn-end.ts';
import type { Upstream } from './upstream.ts';

export interface Errand {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly upstream: Upstream;
  readonly method: string;
  /** Path and query at the upstream. */
  readonly path: string;
  /** Name, value, name, value. */
  readonly headers: string[];
  /** What becomes of the headers of the answer. */
  readonly answerHeaders: (raw: HeaderList) => string[];
  /** And of what it says after its body. */
  readonly answerTrailers: (raw: HeaderList) => HeaderList;
  readonly maxBodyBytes: number;
  /** Until the answer begins, connecting and every attempt included; what a body takes to come does not count. */
  readonly answerMs: number;
}

export interface Passed {
  /** whole: the answer went to its end. cut: it had begun, and the client was told by a broken connection that this is not all. */
  readonly is: 'whole' | 'cut' | 'client-gone' | Failure;
  /** Of the answer, where one began. */
  readonly status: number | undefined;
  readonly target: string | undefined;
  /** When the upstream was asked first, of performance.now(); nothing where nobody was. */
  readonly askedAt?: number;
  readonly retries: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Why it did not go to its end. */
  readonly why?: string;
}

/** Nothing was answered yet; whoever asked for the passage answers. */
export type Failure =
  | 'too-large'
  | 'slow-body'
  | 'upstream-down'
  | 'upstream-full'
  | 'upstream-failed'
  | 'upstream-slow';

const ONE_PIECE_BYTES = 16 * 1024;
const MOST_ATTEMPTS = 3;
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE']);

export function pass(errand: Errand, settle: (passed: Passed) => void): void {
  new Passage(errand, settle).begin();
}

export function hasBody({ headers }: Pick<IncomingMessage, 'headers'>): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

class Passage implements Dispatcher.DispatchHandler, Waits {
  private readonly errand: Errand;
  private readonly settle: (passed: Passed) => void;
  private readonly sends: boolean;
  private readonly tried: Target[] = [];
  private target: Target | undefined;
  private controller: Dispatcher.DispatchController | undefined;
  private status: number | undefined;
  private askedAt: number | undefined;
  private bytesIn = 0;
  private bytesOut = 0;
  deadline = Infinity;
  place = 0;
  /** What is not done until the deadline, and by whom. */
  private waitsFor: 'answer' | 'rest' | 'client' = 'answer';
  /** Of the answer; nothing where it does not say. */
  private size: number | undefined;
  /** A short answer that came in one piece goes out in one piece with its head. */
  private whole: Buffer | undefined;
  /** Set before the upstream is let go on purpose. */
  private ended: { readonly is: Passed['is']; readonly why?: string } | undefined;
  private over = false;

  constructor(errand: Errand, settle: (passed: Passed) => void) {
    this.errand = errand;
    this.settle = settle;
    this.sends = hasBody(errand.request);
  }

  begin(): void {
    const { request, response, upstream, answerMs } = this.errand;
    response.on('close', this.clientClosed);
    watch(this);
    this.wait('answer', answerMs);
    if (this.sends) {
      // The error of a body that breaks off reaches whoever reads it; nobody may be reading it yet.
      request.on('error', () => undefined);
      request.setTimeout(upstream.settings.idleMs, this.bodyStalled);
      request.once('end', () => {
        request.socket.setTimeout(0);
        if (!this.over && this.status === undefined) this.wait('answer', answerMs);
      });
    }
    writeTogether(this.ask);
  }

  private readonly ask = (): void => {
    if (this.over) return;
    const { upstream, method, path, headers, request } = this.errand;
    const asked = performance.now();
    const taken = upstream.take(this.tried, asked);
    if (taken === 'none-up' || taken === 'full') {
      const known = this.tried.length > 0;
      this.finish(known ? 'upstream-failed' : taken === 'full' ? 'upstream-full' : 'upstream-down', this.lastWhy);
      return;
    }
    this.target = taken;
    this.tried.push(taken);
    this.askedAt ??= asked;
    try {
      taken.pool.dispatch(
        {
          method,
          path,
          headers,
          body: this.sends ? request : null,
          // There is one deadline for all attempts, and one for each silence.
          headersTimeout: 0,
          bodyTimeout: 0,
        },
        this,
      );
    } catch (thrown) {
      this.onResponseError(undefined, thrown as Error);
    }
  };

  private lastWhy: string | undefined;

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    if (this.over || this.ended) return controller.abort(new Error('nobody waits for it'));
    const { request, maxBodyBytes } = this.errand;
    if (!this.sends) return;
    request.on('data', (chunk: Buffer) => {
      this.bytesIn += chunk.length;
      if (this.bytesIn > maxBodyBytes) this.letGo('too-large');
    });
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number): void {
    const { request, response, upstream, answerHeaders } = this.errand;
    const raw = textsOf(controller.rawHeaders as Buffer[]);
    if (status < 200) {
      // Of an answer that is none yet only hints are of use.
      if (status === 103 && request.httpVersion !== '1.0') response.writeInformation(status, linksOf(raw));
      return;
    }
    this.target?.answered();
    this.wait('rest', upstream.settings.idleMs);
    const headers = answerHeaders(raw);
    // What of the body was not read by now nobody wants.
    if (!request.complete) headers.push('connection', 'close');
    response.writeHead(status, headers);
    this.status = status;
    this.size = sizeOf(raw);
    if (this.size === undefined) queueMicrotask(this.flush);
  }

  /** Who streams wants to be heard as soon as it speaks. */
  private readonly flush = (): void => {
    const { response } = this.errand;
    if (!this.over && !response.writableEnded) response.flushHeaders();
  };

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const { response, upstream } = this.errand;
    this.bytesOut += chunk.length;
    this.wait('rest', upstream.settings.idleMs);
    if (chunk.length === this.size && chunk.length <= ONE_PIECE_BYTES) {
      this.whole = chunk;
      return;
    }
    if (response.write(chunk)) return;
    controller.pause();
    this.whenRead('drain', () => {
      this.wait('rest', upstream.settings.idleMs);
      controller.resume();
    });
  }

  onResponseEnd(_controller: Dispatcher.DispatchController, trailers: Record<string, string | string[] | undefined>) {
    const { request, response, answerTrailers } = this.errand;
    if (response.chunkedEncoding) response.addTrailers(inPairs(answerTrailers(listed(trailers))));
    this.release();
    // Before the answer is out: from then on the time that the connection has is not ours to say.
    if (this.sends) request.socket?.setTimeout(0);
    // What has no length is in the socket's hands until the tick is over: its end goes with it.
    if (this.size === undefined) this.end();
    else writeTogether(this.end);
  }

  private readonly end = (): void => {
    if (this.over) return;
    const { response } = this.errand;
    if (this.whole) response.end(this.whole.toString('latin1'), 'latin1');
    else response.end();
    // The kernel has all of it already.
    if (response.socket && response.writableLength === 0) afterWrites(this.finishWhole);
    else this.whenRead('finish', this.finishWhole);
  };

  private readonly finishWhole = (): void => this.finish('whole');

  /** Goes on when the client took what waits for it; who does not take it in time is let go. */
  private whenRead(event: 'drain' | 'finish', then: () => void): void {
    const { response, upstream } = this.errand;
    this.wait('client', upstream.settings.idleMs);
    response.once(event, then);
  }

  private wait(whom: typeof this.waitsFor, ms: number): void {
    this.waitsFor = whom;
    this.deadline = performance.now() + ms;
  }

  late(): void {
    const { request, upstream, answerMs } = this.errand;
    const { waitsFor, sends, controller } = this;
    if (this.ended) return;
    // Its body is still on the way to the upstream, which takes it.
    if (waitsFor === 'answer' && sends && controller && !request.complete && !request.isPaused())
      return this.wait('answer', answerMs);
    this.deadline = Infinity;
    if (waitsFor === 'client') return this.clientLate();
    const why =
      waitsFor === 'answer' ? `no answer within ${answerMs} ms` : `nothing went on for ${upstream.settings.idleMs} ms`;
    // A stream may have nothing to say; an answer that said how long it is has.
    if (waitsFor === 'answer' || (this.size !== undefined && this.bytesOut < this.size))
      this.target?.failed(why, performance.now());
    this.letGo(waitsFor === 'answer' ? 'upstream-slow' : 'cut', why);
  }

  private clientLate(): void {
    const { request, response, upstream } = this.errand;
    if (response.socket) return this.letGo('cut', 'the client did not read on');
    // Another answer has the connection before it. Where that one goes, nobody tells this one.
    if (request.socket.destroyed) return this.letGo('client-gone');
    this.wait('client', upstream.settings.idleMs);
  }

  onResponseError(_controller: Dispatcher.DispatchController | undefined, error: Error): void {
    if (this.over) return;
    const { request, method, upstream } = this.errand;
    const code = (error as NodeJS.ErrnoException).code ?? error.name;
    const why = `${code}: ${error.message}`;
    if (this.ended) {
      this.release();
      return this.finish(this.ended.is, this.ended.why);
    }
    // What breaks off on the client's side says nothing about the upstream.
    if (this.sends && request.errored && !request.complete) {
      this.release();
      return this.finish('client-gone', 'the request broke off');
    }
    this.target?.failed(why, performance.now());
    this.release();
    if (this.status !== undefined) return this.finish('cut', why);
    this.lastWhy = why;
    if (!this.sends && SAFE.has(method) && this.tried.length < MOST_ATTEMPTS && upstream.mayRetry()) return this.ask();
    this.finish(code === 'UND_ERR_CONNECT_TIMEOUT' ? 'upstream-slow' : 'upstream-failed', why);
  }

  private readonly clientClosed = (): void => {
    if (!this.over && !this.errand.response.writableFinished) this.letGo('client-gone');
  };

  private readonly bodyStalled = (): void => {
    if (!this.errand.request.complete) this.letGo(this.status === undefined ? 'slow-body' : 'cut', 'the body stalled');
  };

  /** The upstream is let go; what that does to the request is known. */
  private letGo(is: Passed['is'], why?: string): void {
    if (this.over || this.ended) return;
    this.ended = {
      is: this.status !== undefined && is !== 'client-gone' ? 'cut' : is,
      ...(why !== undefined && { why }),
    };
    if (this.controller) return this.controller.abort(new Error(why ?? is));
    // It waits for a connection; it is let go when it gets one.
    this.release();
    this.finish(this.ended.is, why);
  }

  private release(): void {
    this.target?.end();
    this.target = undefined;
    this.controller = undefined;
  }

  private finish(is: Passed['is'], why?: string): void {
    if (this.over) return;
    this.over = true;
    unwatch(this);
    const { request, response } = this.errand;
    if (this.sends && is !== 'whole') request.socket?.setTimeout(0);
    // Half an answer must not look like a whole one: no last chunk, no orderly end.
    if (is === 'cut') cut(response);
    this.settle({
      is,
      status: this.status,
      target: this.tried.at(-1)?.origin,
      ...(this.askedAt !== undefined && { askedAt: this.askedAt }),
      retries: Math.max(0, this.tried.length - 1),
      bytesIn: this.bytesIn,
      bytesOut: this.bytesOut,
      ...(why !== undefined && { why }),
    });
  }
}

function cut(response: ServerResponse): void {
  const { socket } = response;
  if (socket) reset(socket);
  response.destroy();
}

function textsOf(raw: readonly Buffer[]): string[] {
  const texts: string[] = [];
  for (const each of raw) texts.push(each.toString('latin1'));
  return texts;
}

function linksOf(raw: HeaderList): string[] {
  return inPairs(raw)
    .filter(([name]) => name.toLowerCase() === 'link')
    .flat();
}

function listed(trailers: Readonly<Record<string, string | string[] | undefined>> | undefined): string[] {
  return Object.entries(trailers ?? {}).flatMap(([name, value]) =>
    [value ?? []].flat().flatMap((each) => [name, each]),
  );
}

function sizeOf(raw: HeaderList): number | undefined {
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at] as string;
    if (name.length === 14 && name.toLowerCase() === 'content-length') return Number(raw[at + 1]);
  }
  return undefined;
}
