// Connections that leave HTTP, as WebSockets do: after the verdict, bytes both ways until either side ends.
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { HeaderList } from '../../../edge/handlers/gateway/headers.ts';
import { endSoon, headOf } from './last-words.ts';
import type { Passed } from './passage.ts';
import { reset } from './reset.ts';
import type { Target } from './target.ts';
import type { Upstream } from './upstream.ts';

export interface TunnelErrand {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly upstream: Upstream;
  readonly path: string;
  readonly headers: readonly string[];
  readonly answerHeaders: (raw: HeaderList) => readonly string[];
  readonly answerMs: number;
}

export interface Tunnels {
  readonly open: (errand: TunnelErrand) => Promise<Passed>;
  readonly count: number;
}

export function createTunnels(): Tunnels {
  let count = 0;
  return {
    async open(errand) {
      const target = errand.upstream.take([], performance.now());
      if (target === 'none-up' || target === 'full')
        return { ...NOTHING, is: target === 'full' ? 'upstream-full' : 'upstream-down', target: undefined };
      count += 1;
      try {
        return await through(errand, target);
      } finally {
        target.end();
        count -= 1;
      }
    },
    get count() {
      return count;
    },
  };
}

const NOTHING = { status: undefined, retries: 0, bytesIn: 0, bytesOut: 0 } as const;

async function through(errand: TunnelErrand, target: Target): Promise<Passed> {
  const { request, socket, head, upstream, path, headers, answerHeaders, answerMs } = errand;
  const { idleMs } = upstream.settings;
  const { promise, resolve } = Promise.withResolvers<Passed>();
  const settle = (is: Passed['is'], more: Partial<Passed> = {}): void =>
    resolve({ ...NOTHING, target: target.origin, ...more, is });
  const origin = new URL(target.origin);
  const asked = (origin.protocol === 'https:' ? httpsRequest : httpRequest)({
    method: request.method ?? 'GET',
    path,
    host: origin.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: origin.port || (origin.protocol === 'https:' ? 443 : 80),
    headers: [
      ...headers,
      'Host',
      origin.host,
      'Connection',
      'Upgrade',
      'Upgrade',
      request.headers.upgrade ?? 'websocket',
    ],
    agent: false,
    createConnection(_options, done) {
      target.connect(
        { hostname: origin.hostname, host: origin.host, protocol: origin.protocol, port: origin.port },
        (error, made) => done?.(error, made as unknown as Duplex),
      );
      return undefined;
    },
  });
  const late = setTimeout(
    () => asked.destroy(Object.assign(new Error('no answer in time'), { code: 'SLOW' })),
    answerMs,
  );
  let waits = true;
  /** Whether it waited until now: what ends the waiting comes once. */
  const waited = (): boolean => {
    if (!waits) return false;
    waits = false;
    clearTimeout(late);
    socket.off('close', gone);
    return true;
  };
  const gone = (): void => {
    waited();
    asked.destroy();
    settle('client-gone');
  };
  socket.once('close', gone);

  asked.on('upgrade', (answer, upstreamSocket, upstreamHead) => {
    waited();
    target.answered();
    upstreamSocket.on('error', () => undefined);
    const upgradeHeaders = ['Connection', 'Upgrade', 'Upgrade', answer.headers.upgrade ?? 'websocket'];
    socket.write(headOf(101, [...answerHeaders(answer.rawHeaders), ...upgradeHeaders]), 'latin1');
    if (upstreamHead.length > 0) socket.write(upstreamHead);
    if (head.length > 0) upstreamSocket.write(head);
    let [bytesIn, bytesOut] = [head.length, upstreamHead.length];
    socket.on('data', (chunk: Buffer) => (bytesIn += chunk.length));
    upstreamSocket.on('data', (chunk: Buffer) => (bytesOut += chunk.length));
    socket.pipe(upstreamSocket).pipe(socket);
    const sides = [socket, upstreamSocket] as [Socket, Socket];
    for (const [side, other] of [sides, sides.toReversed() as typeof sides]) {
      side.setTimeout(idleMs, () => side.destroy());
      side.once('close', () => {
        if (other.closed) settle('whole', { status: 101, bytesIn, bytesOut });
        // What was said before the end still gets there.
        else endSoon(other, idleMs);
      });
    }
  });
  // It is not upgraded: its answer is passed on, and nothing after it, for that would be judged by nobody.
  asked.on('response', (answer) => {
    waited();
    target.answered();
    const { statusCode: status = 502 } = answer;
    let bytesOut = 0;
    socket.write(headOf(status, [...answerHeaders(answer.rawHeaders), 'Connection', 'close']), 'latin1');
    socket.resume();
    answer.on('data', (chunk: Buffer) => (bytesOut += chunk.length));
    answer.pipe(socket, { end: false });
    answer.socket.setTimeout(idleMs, () => answer.destroy(new Error(`nothing went on for ${idleMs} ms`)));
    answer.once('end', () => endSoon(socket, idleMs));
    // Half an answer must not look like a whole one.
    answer.on('error', ({ message }) => {
      settle('cut', { status, bytesOut, why: message });
      reset(socket as Socket);
    });
    socket.once('close', () => {
      const whole = answer.readableEnded && socket.writableFinished;
      settle(whole ? 'whole' : 'client-gone', { status, bytesOut });
      answer.destroy();
    });
  });
  asked.on('error', (error: NodeJS.ErrnoException) => {
    if (!waited()) return;
    target.failed(`${error.code ?? error.name}: ${error.message}`, performance.now());
    settle(error.code === 'SLOW' ? 'upstream-slow' : 'upstream-failed', { why: error.message });
  });
  asked.end();
  return await promise;
}
