import { join } from 'node:path';
import type { Incidents } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { Meter } from '../../core/metric.ts';
import type { Monitor } from '../../core/monitor.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { System } from '../../core/system.ts';
import type { Store } from '../../store/store.ts';
import { createProblems } from '../problems.ts';
import type { KeeperTimes } from '../thread-keeper.ts';
import { createTrouble } from '../trouble.ts';
import { createAccessLog } from './access-log.ts';
import { createGatewayKeeper } from './keeper.ts';
import { leaseFrom } from './leases.ts';
import type { Serving, ServingSettings } from './messages.ts';
import { createGatewayMeter } from './meter.ts';
import { gatewayOperations } from './operations.ts';
import { gatewayRetention } from './retention.ts';
import { type ConfiguredRoute, createRouteSecrets } from './routes.ts';
import { createServices } from './services.ts';
import type { GatewayTables } from './tables.ts';
import { within } from './within.ts';

export type { ConfiguredAuth, ConfiguredRoute } from './routes.ts';
export { gatewayMigrations } from './tables.ts';

/** By what the thread is to serve, without what it is told beside. */
export interface GatewaySettings extends Omit<ServingSettings, 'routes' | 'nodes' | 'services'> {
  /** Nothing listens while there is none. */
  readonly routes: readonly ConfiguredRoute[];
}

export interface GatewayDeps {
  readonly store: Store;
  readonly home: string;
  /** The program of the thread that serves. */
  readonly thread: URL;
  readonly settings: () => GatewaySettings;
  /** Called when there are other settings, until the returned function is called. */
  readonly onSettings: (listener: () => void) => () => void;
  readonly secrets: SecretResolver;
  readonly inventory: Pick<Inventory, 'resolve'>;
  readonly monitor: Pick<Monitor, 'status'>;
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve'>;
  /** How many nodes share the store. */
  readonly nodes: () => Promise<number>;
  readonly node: { readonly id: string };
  readonly now: () => Date;
  readonly log: Log;
  readonly times?: KeeperTimes;
}

export interface Gateway extends System {
  readonly meter: Meter;
}

export const NOT_AS_CONFIGURED = 'gateway.not-as-configured';
const LOCATE_MS = 2_000;
const STORE_MS = 2_000;

/** What others ask of services here: judged, passed on, written down, in a thread of its own. */
export function createGateway(deps: GatewayDeps): Gateway {
  const { store, home, node, now, log } = deps;
  const db = store.db.withTables<GatewayTables>();
  const folder = join(home, 'gateway');
  const accessLog = createAccessLog({ folder, now, log });
  const secrets = createRouteSecrets(deps.secrets);
  const services = createServices({ ...deps, node: node.id });
  const words = { title: 'The gateway does not serve as configured', over: 'The gateway serves as configured again.' };
  const trouble = createTrouble({ symptom: NOT_AS_CONFIGURED, ...words }, deps);
  let nodes = 1;
  let locating: NodeJS.Timeout | undefined;

  const keeper = createGatewayKeeper({
    script: deps.thread,
    folder,
    leaseMore: leaseFrom(db),
    async settings() {
      const wanted = deps.settings();
      if (wanted.routes.length === 0) return undefined;
      const { routes, problems } = await secrets.read(wanted.routes);
      nodes = await within(STORE_MS, deps.nodes()).catch(() => nodes);
      return {
        serving: { ...wanted, routes, nodes, services: await services.of(Object.values(wanted.upstreams)) },
        problems,
      };
    },
    onSettings: deps.onSettings,
    say: createProblems({ system: 'gateway', trouble, log }),
    log,
    ...(deps.times && { times: deps.times }),
  });

  async function findServices(): Promise<void> {
    const found = await services.look();
    if (found) keeper.thread()?.tell({ is: 'services', services: found });
  }

  /** Nothing where it serves nothing, or does not answer. */
  async function serving(): Promise<Serving | undefined> {
    return await keeper
      .thread()
      ?.ask('serving', null)
      .catch(() => undefined);
  }

  /** What is in hand is put where it is looked for. */
  async function flush(): Promise<void> {
    await keeper
      .thread()
      ?.ask('flush', null)
      .catch(() => undefined);
  }

  return {
    name: 'gateway',
    operations: gatewayOperations({
      state: async () => ({
        serving: await serving(),
        address: keeper.url(),
        problem: keeper.problem(),
        routes: deps.settings().routes,
      }),
      async find(id) {
        await flush();
        return await accessLog.find(id);
      },
      async refused(limit) {
        await flush();
        return await accessLog.refused(limit);
      },
    }),
    jobs: [
      gatewayRetention({
        db,
        accessLog: { tidy: async () => void (await (keeper.thread()?.ask('tidy', null) ?? accessLog.tidy())) },
      }),
    ],
    meter: createGatewayMeter({ serving }),

    async start() {
      await keeper.start();
      locating = setInterval(() => void findServices().catch(() => undefined), LOCATE_MS).unref();
    },

    async stop() {
      clearInterval(locating);
      await keeper.stop();
    },
  };
}
