import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { type CallerPorts, createCallers } from '../../edge/handlers/gateway/callers.ts';
import type { Counters } from '../../edge/handlers/gateway/counters.ts';
import { judge } from '../../edge/handlers/gateway/judge.ts';
import { memoryCounters } from '../../edge/handlers/gateway/memory-counters.ts';
import { readyRoutes } from '../../edge/handlers/gateway/ready.ts';
import type { Limits, Route } from '../../edge/handlers/gateway/routes.ts';
import { createDoor } from '../systems/gateway/door.ts';
import { createFigures, type Figures } from '../systems/gateway/figures.ts';
import { createGatewayServer, type ServerLimits } from '../systems/gateway/server.ts';
import type { Addresses } from '../systems/gateway/target.ts';
import { createListener } from '../systems/listener.ts';
import type { TlsFiles } from '../systems/listener-tls.ts';
import { createUpstream, type Upstream, type UpstreamSettings } from '../systems/gateway/upstream.ts';
import { serverDigests } from '../systems/server-digests.ts';
import { memoryLog } from './log.ts';

export const NO_LIMITS: Limits = {
  anonymous: -1,
  failures: -1,
  plans: { free: -1 },
  defaultPlan: 'free',
  per: 'gateway',
};

/** A route to `upstream` for everybody, with what differs. */
export function routeTo(upstream: string, more: Partial<Route> = {}): Route {
  return {
    name: upstream,
    path: '/',
    upstream,
    auth: [],
    anonymous: true,
    scopes: [],
    limits: NO_LIMITS,
    maxBodyBytes: 64 * 1024 * 1024,
    timeoutMs: 5_000,
    request: { set: {}, drop: [] },
    query: { set: {}, drop: [] },
    response: { set: {}, drop: [] },
    ...more,
  };
}

export interface TestGateway {
  readonly port: number;
  readonly url: string;
  readonly figures: Figures;
  /** What the access log was given. */
  readonly records: Readonly<Record<string, unknown>>[];
  readonly upstreams: ReadonlyMap<string, Upstream>;
  /** At its files, as it does every ten seconds. */
  look(): Promise<void>;
  close(): Promise<void>;
}

const NOBODY: Omit<CallerPorts, 'digests'> = {
  fetchKeys: () => Promise.reject(new Error('there are no keys')),
  validate: () => Promise.reject(new Error('there is nobody to ask')),
};

/** The gateway's pipe with its judge, without a store: a server that is asked over a socket. */
export async function openGateway({
  routes,
  upstreams,
  trustedProxies = [],
  limits = {},
  unrouted = NO_LIMITS,
  counters = memoryCounters(),
  callerPorts = NOBODY,
  now = () => new Date(),
  addresses = (host) => Promise.resolve([host === 'localhost' ? '127.0.0.1' : host]),
  tls,
}: {
  readonly routes: readonly Route[];
  readonly upstreams: Readonly<Record<string, Partial<UpstreamSettings> & { readonly targets: readonly string[] }>>;
  readonly trustedProxies?: readonly string[];
  readonly limits?: Partial<ServerLimits>;
  /** Hold for what no route takes. */
  readonly unrouted?: Limits;
  readonly counters?: Counters;
  readonly callerPorts?: Omit<CallerPorts, 'digests'>;
  readonly now?: () => Date;
  readonly addresses?: Addresses;
  readonly tls?: TlsFiles;
}): Promise<TestGateway> {
  const figures = createFigures();
  const records: Readonly<Record<string, unknown>>[] = [];
  const made = new Map(
    Object.entries(upstreams).map(([name, settings]) => [
      name,
      createUpstream(
        name,
        { connectMs: 1_000, idleMs: 2_000, mostAtOnce: 1_000, allowLinkLocal: false, ...settings },
        () => addresses,
      ),
    ]),
  );
  const ready = readyRoutes(routes, unrouted);
  const door = createDoor({
    judge,
    routes: () => ready,
    upstream: (name) => made.get(name),
    callers: createCallers({ ...callerPorts, digests: serverDigests }),
    counters: () => counters,
    trustedProxies: () => trustedProxies,
    accessLog: { write: (record) => void records.push({ ...record }) },
    figures,
    now,
    log: memoryLog(),
  });
  const listener = createListener({
    cannot: 'The gateway cannot be reached',
    setting: 'gateway',
    graceMs: () => 0,
    server: (pair) =>
      createGatewayServer(door, {
        tls: pair,
        headersMs: 1_000,
        requestMs: 3_000,
        keepAliveMs: 5_000,
        mostConnections: 1_000,
        headerBytes: 16 * 1024,
        ...limits,
      }),
  });
  const look = (): Promise<void> => listener.moveTo({ host: '127.0.0.1', port: 0, tls });
  await look();
  const url = listener.url() ?? '';
  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    await listener.moveTo(undefined);
    await Promise.all([...made.values()].map((upstream) => upstream.close()));
  }
  return {
    port: Number(new URL(url).port),
    url,
    figures,
    records,
    upstreams: made,
    look,
    close: () => (closing ??= close()),
  };
}

export interface TestUpstream {
  readonly port: number;
  readonly origin: string;
  close(): Promise<void>;
}

/** An upstream that speaks HTTP as Node does. */
export async function openUpstream(
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<TestUpstream> {
  const server = createServer(handle);
  const port = await listening(server);
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    async close() {
      server.closeAllConnections();
      await closed(server);
    },
  };
}

export interface RawUpstream extends TestUpstream {
  /** Every byte that came, by connection. */
  readonly received: Buffer[][];
  readonly connections: readonly Socket[];
  text(): string;
}

/** An upstream of bytes: says whatever `answer` gives, to whatever came. */
export async function openRawUpstream(
  answer: (socket: Socket, received: string, chunk: string, connection: number) => void,
): Promise<RawUpstream> {
  const received: Buffer[][] = [];
  const connections: Socket[] = [];
  const server = createTcpServer((socket) => {
    const chunks: Buffer[] = [];
    const connection = received.push(chunks) - 1;
    connections.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      answer(socket, Buffer.concat(chunks).toString('latin1'), chunk.toString('latin1'), connection);
    });
  });
  const port = await listening(server);
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    received,
    connections,
    text: () => received.map((chunks) => Buffer.concat(chunks).toString('latin1')).join(''),
    async close() {
      for (const socket of connections) socket.destroy();
      await closed(server);
    },
  };
}

export interface RawClient {
  readonly socket: Socket;
  /** All that came so far. */
  text(): string;
  /** Resolves when the other side has ended it. */
  readonly over: Promise<{ readonly text: string; readonly reset: boolean }>;
  /** Resolves when the other side has closed it, not only ended: what is sent there comes back as an error. */
  closedThere(): Promise<void>;
}

/** A client of bytes; one that stays does not close when the other side has. */
export function rawClient(port: number, bytes = '', { stays = false } = {}): RawClient {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: stays });
  const chunks: Buffer[] = [];
  let reset = false;
  const text = (): string => Buffer.concat(chunks).toString('latin1');
  const { promise, resolve } = Promise.withResolvers<{ text: string; reset: boolean }>();
  socket.on('data', (chunk) => void chunks.push(chunk));
  socket.on('error', (error: NodeJS.ErrnoException) => (reset = error.code === 'ECONNRESET' || error.code === 'EPIPE'));
  socket.on('close', () => resolve({ text: text(), reset }));
  if (bytes !== '') socket.write(bytes, 'latin1');
  async function closedThere(): Promise<void> {
    const poke = setInterval(() => socket.write('x'), 20);
    await promise;
    clearInterval(poke);
  }
  return { socket, text, over: promise, closedThere };
}

async function listening(server: Server): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(0, '127.0.0.1', resolve);
  await promise;
  return (server.address() as AddressInfo).port;
}

async function closed(server: Server): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  server.close(() => resolve());
  await promise;
}
