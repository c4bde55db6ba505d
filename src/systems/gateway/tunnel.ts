// Connections that leave HTTP, as WebSockets do: after the verdict, bytes both ways until either side ends.
import { request as httpRequest, type IncomingMessage, STATUS_CODES } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { flat, type Passed } from './passage.ts';
import type { Target } from './target.ts';
import type { Upstream } from './upstream.ts';

export interface TunnelErrand {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  readonly upstream: Upstream;
  readonly path: string;
  readonly headers: readonly string[];
  readonly answerHeaders: (raw: readonly (readonly [string, string])[]) => readonly (readonly [string, string])[];
  readonly answerMs: number;
}

export interface Tunnels {
  readonly open: (errand: TunnelErrand) => Promise<Passed>;
  refuse(socket: Duplex, status: number, body: object, headers: Readonly<Record<string, string>>): void;
  readonly count: number;
  cutAll(): void;
}

export function createTunnels(): Tunnels {
  const open = new Set<Duplex>();
  return {
    async open(errand) {
      const target = errand.upstream.take([], performance.now());
      if (target === 'none-up' || target === 'full')
        return ended(target === 'full' ? 'upstream-full' : 'upstream-down', undefined, undefined);
      open.add(errand.socket);
      errand.socket.once('close', () => open.delete(errand.socket));
      return await through(errand, target);
    },
    refuse(socket, status, body, headers) {
      const text = JSON.stringify(body);
      const lines = Object.entries({
        ...headers,
        'content-type': 'application/json',
        'content-length': String(Buffer.byteLength(text)),
        connection: 'close',
      });
      socket.end(headOf(status, flat(lines)) + text);
    },
    get count() {
      return open.size;
    },
    cutAll() {
      for (const socket of open) socket.destroy();
    },
  };
}

async function through(errand: TunnelErrand, target: Target): Promise<Passed> {
  const { request, socket, head, upstream, path, headers, answerHeaders, answerMs } = errand;
  const { promise, resolve } = Promise.withResolvers<Passed>();
  const origin = new URL(target.origin);
  let told = false;
  const tell = (outcome: Parameters<Target['end']>[0]): void => {
    if (!told) target.end(outcome, performance.now());
    told = true;
  };
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
    timeout: answerMs,
    agent: false,
    createConnection(_options, done) {
      target.connect(
        { hostname: origin.hostname, host: origin.host, protocol: origin.protocol, port: origin.port },
        (error, made) => done?.(error, made as unknown as Duplex),
      );
      return undefined;
    },
  });
  const gone = (): void => {
    tell('untold');
    asked.destroy();
    resolve(ended('client-gone', undefined, target));
  };
  socket.once('close', gone);

  asked.on('upgrade', (answer, upstreamSocket, upstreamHead) => {
    socket.off('close', gone);
    tell('answered');
    upstreamSocket.on('error', () => undefined);
    const upgradeHeaders = ['Connection', 'Upgrade', 'Upgrade', answer.headers.upgrade ?? 'websocket'];
    socket.write(headOf(101, [...flat(answerHeaders(pairsOf(answer))), ...upgradeHeaders]));
    if (upstreamHead.length > 0) socket.write(upstreamHead);
    if (head.length > 0) upstreamSocket.write(head);
    let [bytesIn, bytesOut] = [head.length, upstreamHead.length];
    socket.on('data', (chunk: Buffer) => (bytesIn += chunk.length));
    upstreamSocket.on('data', (chunk: Buffer) => (bytesOut += chunk.length));
    socket.pipe(upstreamSocket).pipe(socket);
    const over = (): void => {
      socket.destroy();
      upstreamSocket.destroy();
      resolve({ ...ended('whole', 101, target), bytesIn, bytesOut });
    };
    for (const side of [socket, upstreamSocket] as NetSocket[]) {
      side.setTimeout?.(upstream.settings.idleMs, over);
      side.once('close', over);
    }
  });
  // It is not upgraded: its answer is passed on, and nothing after it, for that would be judged by nobody.
  asked.on('response', (answer) => {
    tell('answered');
    socket.off('close', gone);
    const status = answer.statusCode ?? 502;
    socket.write(headOf(status, [...flat(answerHeaders(pairsOf(answer))), 'Connection', 'close']));
    answer.pipe(socket);
    answer.on('error', () => socket.destroy());
    socket.once('close', () => {
      answer.destroy();
      resolve(ended('whole', status, target));
    });
  });
  asked.on('timeout', () => asked.destroy(Object.assign(new Error('no answer in time'), { code: 'SLOW' })));
  asked.on('error', (error: NodeJS.ErrnoException) => {
    if (told) return;
    socket.off('close', gone);
    tell({ failed: `${error.code ?? error.name}: ${error.message}` });
    resolve({
      ...ended(error.code === 'SLOW' ? 'upstream-slow' : 'upstream-failed', undefined, target),
      why: error.message,
    });
  });
  asked.end();
  return await promise;
}

type NetSocket = Duplex & { setTimeout?(ms: number, listener: () => void): void };

function ended(is: Passed['is'], status: number | undefined, target: Target | undefined): Passed {
  return { is, status, target: target?.origin, retries: 0, bytesIn: 0, bytesOut: 0 };
}

function pairsOf({ rawHeaders }: IncomingMessage): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < rawHeaders.length; at += 2)
    pairs.push([rawHeaders[at] as string, rawHeaders[at + 1] as string]);
  return pairs;
}

function headOf(status: number, headers: readonly string[]): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return `${head}\r\n`;
}
