import { createCallers } from '../../../edge/handlers/gateway/callers.ts';
import { judge } from '../../../edge/handlers/gateway/judge.ts';
import { readyRoutes } from '../../../edge/handlers/gateway/ready.ts';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { createListener } from '../listener.ts';
import { type Problem, problemOf } from '../problems.ts';
import { serverDigests } from '../server-digests.ts';
import type { Followed } from '../thread-keeper.ts';
import { createAccessLog } from './access-log.ts';
import { callerPorts, type Requests } from './caller-ports.ts';
import { createDoor } from './door.ts';
import { createFigures, timesOf } from './figures.ts';
import type { LeaseMore } from './leases.ts';
import type { Services, Serving, ServingSettings } from './messages.ts';
import { createGatewayServer } from './server.ts';
import { sharedCounters } from './shared-counters.ts';
import type { Addresses } from './target.ts';
import { createUpstream, type Upstream } from './upstream.ts';

export interface ServeDeps {
  /** Where the access log is. */
  readonly folder: string;
  readonly leaseMore: LeaseMore;
  /** Ask others about callers. */
  readonly requests: Requests;
  readonly addresses: (options: { readonly allowLinkLocal: boolean }) => Addresses;
  readonly now: () => Date;
  readonly log: Log;
}

/** All that a request meets, without a store: what is needed of that is asked for. */
export interface Serve {
  /** All of it changes in one turn, between two requests; what is in flight keeps what it began with. */
  follow(settings: ServingSettings): Promise<Followed>;
  locate(services: Services): void;
  serving(): Serving;
  flush(): Promise<void>;
  tidy(): Promise<void>;
  /** Who is being answered is answered before. */
  stop(): Promise<void>;
}

const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 65_000;
const MOST_CONNECTIONS = 10_000;
const HEADER_BYTES = 16 * 1024;

export function createServe({ folder, leaseMore, requests, addresses, now, log }: ServeDeps): Serve {
  const accessLog = createAccessLog({ folder, now, log });
  const figures = createFigures();
  const upstreams = new Map<string, { readonly as: string; readonly upstream: Upstream }>();
  let current: ServingSettings | undefined;
  let routesAre = '';
  let routes = readyRoutes([], { anonymous: 0, failures: 0, plans: {}, defaultPlan: '', per: 'gateway' });
  let services: Services = new Map();
  let moving: Promise<unknown> = Promise.resolve();

  const counters = sharedCounters({ leaseMore, nodes: () => current?.nodes ?? 1, log });
  const door = createDoor({
    judge,
    routes: () => routes,
    upstream: (name) => upstreams.get(name)?.upstream,
    callers: createCallers({ ...callerPorts(requests, log), digests: serverDigests }),
    counters: () => counters,
    trustedProxies: () => current?.trustedProxies ?? [],
    accessLog,
    figures,
    now,
    log,
  });
  const listener = createListener({
    cannot: 'The gateway cannot be reached',
    setting: 'gateway',
    graceMs: () => current?.drainMs ?? 0,
    server: (tls) =>
      createGatewayServer(door, {
        tls,
        headersMs: HEADERS_MS,
        requestMs: current?.requestMs ?? 0,
        keepAliveMs: KEEP_ALIVE_MS,
        mostConnections: MOST_CONNECTIONS,
        headerBytes: HEADER_BYTES,
      }),
  });

  function followUpstreams(wanted: ServingSettings['upstreams']): void {
    for (const [name, { upstream }] of upstreams) {
      if (wanted[name]) continue;
      upstreams.delete(name);
      void upstream.close();
    }
    for (const [name, each] of Object.entries(wanted)) {
      const as = JSON.stringify(each);
      const known = upstreams.get(name);
      if (known?.as === as) continue;
      upstreams.set(name, { as, upstream: createUpstream(name, each, addresses) });
      void known?.upstream.close();
    }
  }

  const all = (): Upstream[] => [...upstreams.values()].map(({ upstream }) => upstream);

  function locate(found: Services): void {
    services = found;
    for (const upstream of all()) upstream.locate((name) => services.get(name));
  }

  /** With files for TLS that are of no use it goes on with those that it has: nobody who asks notices yet. */
  function unmovedBy(thrown: unknown): Problem {
    const stays = listener.url() !== undefined && StewardError.from(thrown).code === 'PRECONDITION_FAILED';
    return { ...problemOf(thrown), ...(stays && { severity: 'warning' }) };
  }

  async function move(place: ServingSettings['place'] | undefined): Promise<readonly Problem[]> {
    const moved = moving.then(async () => await listener.moveTo(place));
    moving = moved.catch(() => undefined);
    return await moved.then(
      () => [],
      (thrown: unknown) => [unmovedBy(thrown)],
    );
  }

  return {
    async follow(wanted) {
      // The routes stay the same objects while they say the same: what was found out about callers is remembered by them.
      const are = JSON.stringify([wanted.routes, wanted.limits]);
      if (are !== routesAre) routes = readyRoutes(wanted.routes, wanted.limits);
      routesAre = are;
      current = wanted;
      followUpstreams(wanted.upstreams);
      locate(wanted.services);
      const problems = await move(wanted.place);
      return { url: listener.url(), problems };
    },
    locate,
    serving: () => ({
      routes: new Map(
        [...figures.routes].map(([name, { total, ...counts }]) => [name, { ...counts, milliseconds: timesOf(total) }]),
      ),
      upstreams: all().map((upstream) => ({ name: upstream.name, targets: upstream.state() })),
      requests: figures.requests,
      byStatus: figures.byStatus,
      refusals: figures.refusals,
      failures: figures.failures,
      milliseconds: timesOf(figures.total),
      ownMilliseconds: timesOf(figures.own),
      tunnels: door.tunnels.count,
      limitsShared: counters.shared,
      logLinesDropped: accessLog.dropped,
    }),
    flush: () => accessLog.flush(),
    tidy: () => accessLog.tidy(),
    async stop() {
      await move(undefined);
      await Promise.all(all().map((upstream) => upstream.close()));
      upstreams.clear();
      await counters.close();
      await accessLog.close();
    },
  };
}
