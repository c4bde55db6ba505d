import { join } from 'node:path';
import { createCallers } from '../../../edge/handlers/gateway/callers.ts';
import { judge } from '../../../edge/handlers/gateway/judge.ts';
import { readyRoutes } from '../../../edge/handlers/gateway/ready.ts';
import type { Limits } from '../../../edge/handlers/gateway/routes.ts';
import { StewardError } from '../../core/errors.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { Meter } from '../../core/metric.ts';
import type { Monitor } from '../../core/monitor.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { System } from '../../core/system.ts';
import type { Store } from '../../store/store.ts';
import { createListener, type Place } from '../listener.ts';
import { serverDigests } from '../server-digests.ts';
import { createTrouble } from '../trouble.ts';
import { createAccessLog } from './access-log.ts';
import { callerPorts, type Requests } from './caller-ports.ts';
import { createDoor } from './door.ts';
import { createFigures } from './figures.ts';
import { locate } from './locate.ts';
import { createGatewayMeter } from './meter.ts';
import { gatewayOperations } from './operations.ts';
import { createProblems, NOT_AS_CONFIGURED, type Problem, problemOf } from './problems.ts';
import { gatewayRetention } from './retention.ts';
import { type ConfiguredRoute, createRouteSecrets } from './routes.ts';
import { createGatewayServer } from './server.ts';
import { sharedCounters } from './shared-counters.ts';
import type { GatewayTables } from './tables.ts';
import type { Addresses } from './target.ts';
import { within } from './within.ts';
import { createUpstream, isOrigin, type Located, type Upstream, type UpstreamSettings } from './upstream.ts';

export type { ConfiguredAuth, ConfiguredRoute } from './routes.ts';
export { gatewayMigrations } from './tables.ts';

export interface GatewaySettings {
  readonly place: Place;
  /** Nothing listens while there is none. */
  readonly routes: readonly ConfiguredRoute[];
  /** For what no route takes. */
  readonly limits: Limits;
  readonly upstreams: Readonly<Record<string, UpstreamSettings>>;
  readonly trustedProxies: readonly string[];
  /** Until the last byte of a request is there. */
  readonly requestMs: number;
  /** Who is being answered when the gateway moves or stops has so long. */
  readonly drainMs: number;
}

export interface GatewayDeps {
  readonly store: Store;
  readonly home: string;
  readonly settings: () => GatewaySettings;
  /** Called when there are other settings, until the returned function is called. */
  readonly onSettings: (listener: () => void) => () => void;
  readonly secrets: SecretResolver;
  /** Ask others about callers. */
  readonly requests: Requests;
  readonly addresses: (options: { readonly allowLinkLocal: boolean }) => Addresses;
  readonly inventory: Pick<Inventory, 'resolve'>;
  readonly monitor: Pick<Monitor, 'status'>;
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve'>;
  /** How many nodes share the store. */
  readonly nodes: () => Promise<number>;
  readonly node: { readonly id: string };
  readonly now: () => Date;
  readonly log: Log;
}

const REFRESH_MS = 10_000;
const LOCATE_MS = 2_000;
const STORE_MS = 2_000;
const HEADERS_MS = 10_000;
const KEEP_ALIVE_MS = 65_000;
const MOST_CONNECTIONS = 10_000;
const HEADER_BYTES = 16 * 1024;

export interface Gateway extends System {
  readonly meter: Meter;
}

/** What others ask of services here: judged, passed on, written down. */
export function createGateway(deps: GatewayDeps): Gateway {
  const { store, home, settings, inventory, monitor, node, now, log } = deps;
  const db = store.db.withTables<GatewayTables>();
  const accessLog = createAccessLog({ folder: join(home, 'gateway'), now, log });
  const figures = createFigures();
  const secrets = createRouteSecrets(deps.secrets);
  const words = { title: 'The gateway does not serve as configured', over: 'The gateway serves as configured again.' };
  const problems = createProblems(createTrouble({ symptom: NOT_AS_CONFIGURED, ...words }, deps), log);
  let nodes = 1;
  let current = settings();
  let routesAre = '';
  let routes = readyRoutes([], current.limits);
  const upstreams = new Map<string, { readonly as: string; readonly upstream: Upstream }>();
  /** Where services were when the store last said so; until it says something else that holds. */
  const located = new Map<string, Located>();
  let counters: ReturnType<typeof sharedCounters> | undefined;
  let timers: NodeJS.Timeout[] = [];
  let unsubscribe: (() => void) | undefined;
  let following: Promise<unknown> = Promise.resolve();
  let finding: Promise<void> | undefined;

  const door = createDoor({
    judge,
    routes: () => routes,
    upstream: (name) => upstreams.get(name)?.upstream,
    callers: createCallers({ ...callerPorts(deps.requests, log), digests: serverDigests }),
    counters: () => {
      if (!counters) throw new Error('the gateway has not started');
      return counters;
    },
    trustedProxies: () => current.trustedProxies,
    accessLog,
    figures,
    now,
    log,
  });
  const listener = createListener({
    cannot: 'The gateway cannot be reached',
    setting: 'gateway',
    graceMs: () => current.drainMs,
    server: (tls) =>
      createGatewayServer(door, {
        tls,
        headersMs: HEADERS_MS,
        requestMs: current.requestMs,
        keepAliveMs: KEEP_ALIVE_MS,
        mostConnections: MOST_CONNECTIONS,
        headerBytes: HEADER_BYTES,
      }),
  });

  /** All of it changes in one turn, between two requests; what is in flight keeps what it began with. Gives what is wrong. */
  async function follow(): Promise<readonly Problem[]> {
    const wanted = settings();
    const { routes: ready, problems: unread } = await secrets.read(wanted.routes);
    const are = JSON.stringify([ready, wanted.limits]);
    nodes = await within(STORE_MS, deps.nodes()).catch(() => nodes);
    const names = namesIn(Object.values(wanted.upstreams));
    const unknown = names.filter((name) => !located.has(name));
    if (unknown.length > 0) await within(STORE_MS, find(unknown)).catch(() => undefined);
    // The routes stay the same objects while they say the same: what was found out about callers is remembered by them.
    if (are !== routesAre) routes = readyRoutes(ready, wanted.limits);
    routesAre = are;
    current = wanted;
    followUpstreams(wanted.upstreams);
    for (const name of located.keys()) if (!names.includes(name)) located.delete(name);
    const unmoved = await listener.moveTo(wanted.routes.length > 0 ? wanted.place : undefined).then(
      () => [],
      (thrown: unknown) => [unmovedBy(thrown)],
    );
    return [...unread, ...unmoved];
  }

  /** With files for TLS that are of no use it goes on with those that it has: nobody who asks notices yet. */
  function unmovedBy(thrown: unknown): Problem {
    const stays = listener.url() !== undefined && StewardError.from(thrown).code === 'PRECONDITION_FAILED';
    return { ...problemOf(thrown), ...(stays && { severity: 'warning' }) };
  }

  function followUpstreams(wanted: GatewaySettings['upstreams']): void {
    for (const [name, { upstream }] of upstreams) {
      if (wanted[name]) continue;
      upstreams.delete(name);
      void upstream.close();
    }
    for (const [name, each] of Object.entries(wanted)) {
      const as = JSON.stringify(each);
      const known = upstreams.get(name);
      if (known?.as === as) continue;
      const upstream = createUpstream(name, each, deps.addresses);
      upstream.locate((service) => located.get(service));
      upstreams.set(name, { as, upstream });
      void known?.upstream.close();
    }
  }

  const all = (): Upstream[] => [...upstreams.values()].map(({ upstream }) => upstream);

  /** One look at a time, however long the store takes. */
  function findServices(): Promise<void> {
    finding ??= find(namesIn(all().map((upstream) => upstream.settings))).finally(() => (finding = undefined));
    return finding;
  }

  async function find(names: readonly string[]): Promise<void> {
    const found = await locate(names, { inventory, monitor, node: node.id });
    for (const name of names) located.delete(name);
    for (const [name, place] of found) located.set(name, place);
    for (const upstream of all()) upstream.locate((name) => located.get(name));
  }

  /** One after the other; what is wrong now is tried again, and keeps nothing else of Steward from running. */
  function followSoon(): Promise<unknown> {
    following = following
      .then(follow)
      .catch((thrown: unknown) => [problemOf(thrown)])
      .then(problems.say);
    return following;
  }

  return {
    name: 'gateway',
    operations: gatewayOperations({
      state: () => ({
        address: listener.url(),
        problem: problems.now,
        routes: current.routes,
        upstreams: all(),
        figures,
        tunnels: door.tunnels.count,
        shared: counters?.shared ?? false,
        dropped: accessLog.dropped,
      }),
      find: (id) => accessLog.find(id),
      refused: (limit) => accessLog.refused(limit),
    }),
    jobs: [gatewayRetention({ db, accessLog })],
    meter: createGatewayMeter({ figures, upstreams: all }),

    async start() {
      counters = sharedCounters({ db, nodes: () => nodes, log });
      await followSoon();
      unsubscribe = deps.onSettings(() => void followSoon());
      const refresh = setInterval(() => void followSoon(), REFRESH_MS).unref();
      const locating = setInterval(() => void findServices().catch(() => undefined), LOCATE_MS).unref();
      timers = [refresh, locating];
    },

    async stop() {
      for (const timer of timers) clearInterval(timer);
      unsubscribe?.();
      await following;
      await listener.moveTo(undefined);
      await Promise.all(all().map((upstream) => upstream.close()));
      upstreams.clear();
      await counters?.close();
      await accessLog.close();
    },
  };
}

function namesIn(upstreams: readonly { readonly targets: readonly string[] }[]): string[] {
  return [...new Set(upstreams.flatMap(({ targets }) => targets.filter((each) => !isOrigin(each))))];
}
