import { createFiles } from '../adapters/files/index.ts';
import { createHttp } from '../adapters/http/index.ts';
import { createStorage } from '../adapters/storage/index.ts';
import { largestLogs } from '../adapters/storage/log-files.ts';
import { createSystemd } from '../adapters/systemd/index.ts';
import type { Incidents } from '../core/incident.ts';
import type { Inventory } from '../core/inventory.ts';
import type { Ports } from '../core/ports.ts';
import type { QueuePort } from '../core/ports/queue.ts';
import type { RecipesPort } from '../core/ports/recipes.ts';
import type { RunScope } from '../engine/children.ts';
import type { Engine } from '../engine/index.ts';
import { nextInstant } from '../engine/instants.ts';
import { guardedHttp } from '../safeguards/guarded-http.ts';
import type { Backups } from '../systems/backups/index.ts';
import type { Databases } from '../systems/databases/index.ts';
import type { Metrics } from '../systems/metrics/index.ts';
import type { Monitoring } from '../systems/monitoring/index.ts';
import type { Reports } from '../systems/reports/index.ts';
import type { Webhooks } from '../systems/webhooks/index.ts';
import type { reachData } from './data.ts';
import { fitnessSettings, nextDatabaseWindow, openDatabaseWindow } from './databases-from-config.ts';
import { allowedHosts, healthThresholds, reportingSettings } from './from-config.ts';
import { healthOf } from './health-of.ts';
import { historyOf } from './history-of.ts';
import type { Base } from './parts.ts';

/** What automations ask for what Steward knows. */
interface Known {
  readonly engine: Engine;
  readonly monitoring: Monitoring;
  readonly incidents: Incidents;
  readonly metrics: Metrics;
  readonly backups: Backups;
  readonly databases: Databases;
  readonly reports: Reports;
  readonly webhooks: Webhooks;
}

/** The ports of a run, whose programs are its own. The systems are asked for only when one begins. */
export function portsOfRuns(
  { store, settings, world, node }: Base,
  {
    inventory,
    recipes,
    reach,
    systems,
  }: {
    readonly inventory: Inventory;
    readonly recipes: RecipesPort;
    readonly reach: ReturnType<typeof reachData>;
    readonly systems: () => Known;
  },
): (scope: RunScope) => Partial<Ports> {
  const files = createFiles({ roots: settings().files.roots });
  const http = createHttp({ outbound: world.outbound, allow: () => allowedHosts(settings()) });
  return (scope) => {
    const { engine, monitoring, incidents, metrics, backups, databases, reports, webhooks } = systems();
    // Programs that a run starts are on record before they do anything.
    const recorded = world.programs.recorded((child) => scope.recordChild(child, 'program'), {
      onEnd: (child) => scope.childEnded(child),
      signal: scope.signal,
      background: scope.background,
    });
    return {
      inventory,
      prober: world.prober,
      checks: { of: async (resource) => await monitoring.checks.of(resource) },
      programs: recorded,
      processes: world.processes,
      recipes,
      sockets: world.sockets,
      databases: world.databases,
      memory: world.memory,
      docker: world.docker,
      systemd: createSystemd({ programs: recorded }),
      files,
      host: world.host,
      health: healthOf({
        monitoring,
        inventory,
        node: node.id,
        thresholds: () => healthThresholds(settings()),
        logFiles: () => largestLogs(),
      }),
      history: historyOf({
        store,
        monitoring,
        incidents,
        databases,
        reports,
        node: node.id,
        settings: () => reportingSettings(settings()),
      }),
      http: guardedHttp(http, engine.breakers),
      storage: createStorage({ programs: recorded }),
      queue: bothQueues(engine.queue, webhooks.queue),
      backups: reach.backups(recorded),
      migrations: reach.migrations(recorded),
      metrics: metrics.port,
      expiry: reach.expiry(recorded),
      copies: backups.copies,
      sandboxes: reach.sandboxes,
      fitness: {
        ...reach.fitness(recorded),
        settings: () => fitnessSettings(settings()),
        inWindow: (at) => openDatabaseWindow(settings(), at, nextInstant) !== undefined,
        nextWindow: (at) => nextDatabaseWindow(settings(), at, nextInstant),
        done: (source) => databases.done(source),
      },
    };
  };
}

/** What waits at the engine, and what waits before it comes there. */
function bothQueues(engine: QueuePort, webhooks: Webhooks['queue']): QueuePort {
  return {
    waiting: async (before) => [...(await engine.waiting(before)), ...(await webhooks.waiting(before))],
    undelivered: () => engine.undelivered(),
    async begin() {
      await Promise.all([engine.begin(), webhooks.begin()]);
    },
  };
}
