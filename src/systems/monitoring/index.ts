import type { Check, Prober } from '../../core/check.ts';
import type { EventType } from '../../core/event.ts';
import type { Inventory } from '../../core/inventory.ts';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Maintenance, MaintenanceSpan } from '../../core/maintenance.ts';
import type { Monitor, ResponseTimes, ServiceStatus, WatchedHere } from '../../core/monitor.ts';
import type { PlaceVotes } from '../../core/places.ts';
import type { ChecksPort } from '../../core/ports/checks.ts';
import type { System } from '../../core/system.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import type { Store } from '../../store/store.ts';
import { loadChecks, sharedChecks } from './check-store.ts';
import { namedChecks } from './checks.ts';
import { availability, type Span, uptimes } from './availability.ts';
import { bridgeGap, keepHistory } from './history.ts';
import { answeringGroups, type MonitoringSettings } from './groups.ts';
import { monitoringOperations } from './operations.ts';
import { uptimeOperation } from './operations-uptime.ts';
import { responseTimes, storedStatuses } from './reads.ts';
import { createRecorder } from './recorder.ts';
import { type HealthReport, type Overall, healthReport } from './report.ts';
import { createScheduler } from './scheduler.ts';
import { type SelfCheck, createSelfCheck } from './self-check.ts';
import type { MonitoringTables } from './tables.ts';
import { type UptimeOf, uptimeUntil } from './uptime.ts';
import { WatchList } from './watch-list.ts';
import { createWebPortFinder } from './web-ports.ts';

export interface MonitoringDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly inventory: Inventory;
  /** Time in which work was going on counts neither as up nor as down. */
  readonly maintenance?: Pick<Maintenance, 'activeFor' | 'during'> | undefined;
  readonly prober: Prober;
  readonly places?: PlaceVotes | undefined;
  /** The node that resources name as theirs. */
  readonly node: string;
  /** Nodes where nobody probes at the moment: what was seen there last says nothing about now. */
  readonly absentNodes?: (() => Promise<ReadonlySet<string>>) | undefined;
  /** Read anew whenever a configuration was loaded. */
  readonly settings: () => MonitoringSettings;
  readonly now: () => Date;
  readonly log: Log;
  readonly selfCheck?: SelfCheck;
  /** How long single results are kept; a week where it is left out. */
  readonly keepResultsMs?: (() => number) | undefined;
}

export interface Monitoring extends System, Monitor {
  readonly checks: ChecksPort;
  /** What this node watches itself; asks nobody. */
  here(): WatchedHere[];
  overall(): Promise<Overall>;
  report(): Promise<HealthReport>;
  /** Checks of all nodes that other places look at, too. */
  sharedChecks(): Promise<Check[]>;
  /** How long good answers of these services took since then. */
  responseTimes(resourceIds: readonly string[], since: Date): Promise<ReadonlyMap<string, ResponseTimes>>;
  /** Percent of the time since then that each service answered, of the time it was meant to. */
  uptimes(since: Date): Promise<ReadonlyMap<string, number>>;
  /** The same of the last day, week, month and quarter, and of so many days one by one. */
  uptime(days: number): Promise<UptimeOf>;
  /** Probes everything that this node watches, all at once, and waits until the results are stored. */
  probeEverything(): Promise<void>;
  /** What a node watched that is gone for good is watched by nobody. */
  forgetNode(id: string): Promise<void>;
  /** Resolves when every result so far is stored. */
  stored(): Promise<void>;
  /** Results given up because the store was away for too long. */
  droppedResults(): number;
}

const INVENTORY_EVENTS: readonly EventType[] = [
  'resource.found',
  'resource.changed',
  'resource.gone',
  'resource.returned',
  // New process ids are no news of a resource, and checks look for them.
  'discovery.completed',
  'config.loaded',
];

/** Watches what the inventory knows: probes, counts, remembers, and tells when a service changes its state. */
export function createMonitoring({
  store,
  inventory,
  maintenance,
  prober: world,
  places,
  node,
  absentNodes = async () => new Set(),
  settings,
  now,
  log,
  selfCheck = createSelfCheck(),
  keepResultsMs,
}: MonitoringDeps): Monitoring {
  const db = store.db.withTables<MonitoringTables>();
  const stopping = new AbortController();
  const { signal } = stopping;
  const prober = answeringGroups(world, {
    inventory,
    maintenance,
    statuses: () => all(),
    groups: () => settings().groups ?? [],
    now,
  });
  const recorder = createRecorder({ db, events: store.events, log });
  const scheduler = createScheduler((id) => {
    const found = list.check(id);
    // A probe that is still under way takes the place of this one.
    if (found && !found.watched.looking) void found.service.probe(found.watched);
  });
  const list = new WatchList({
    db,
    inventory,
    prober,
    places,
    recorder,
    scheduler,
    selfCheck,
    settings,
    node,
    now,
    signal,
    flapLimits: () => settings().flap,
    webPorts: createWebPortFinder(prober, signal),
  });
  let consumer: EventConsumer | undefined;

  async function all(): Promise<ServiceStatus[]> {
    const others = await storedStatuses(db, { exceptNode: node, absent: await absentNodes() });
    return [...[...list.services.values()].map((service) => service.status()), ...others];
  }

  async function probeEverything(): Promise<void> {
    await Promise.all([...list.services.values()].map((service) => service.probeAll()));
    await recorder.flush();
  }

  const excused = async (since: Date, until: Date): Promise<readonly MaintenanceSpan[]> =>
    (await maintenance?.during(await inventory.find({ state: 'all' }), since, until)) ?? [];

  const report = (): Promise<HealthReport> => healthReport({ db, inventory, all, maintenance }, now());

  const monitoring: Monitoring = {
    name: 'monitoring',
    operations: [],
    jobs: [
      {
        name: 'health-sweep',
        summary: 'Probes every service of the node at once and notes the health score.',
        schedule: { cron: '*/5 * * * *', overlap: 'skip' },
        async run({ now: at }) {
          const began = performance.now();
          await list.syncAll();
          await probeEverything();
          const states = [...list.services.values()].map((service) => service.state);
          const summary = Object.fromEntries(
            [...Map.groupBy(states, (state) => state)].map(([state, group]) => [state, group.length]),
          );
          const { score } = await report();
          await db
            .insertInto('health_sweeps')
            .values({
              node,
              at,
              duration_ms: performance.now() - began,
              score,
              summary: JSON.stringify({ total: states.length, ...summary }),
            })
            .execute();
        },
      },
      {
        name: 'check-history',
        summary: 'Makes room for the results of the coming days and drops those that are older than retention says.',
        schedule: { cron: '7 * * * *', catchUp: 'latest' },
        run: ({ now: at }) => keepHistory(db, at, keepResultsMs?.()),
      },
    ],
    async status(resourceId) {
      return (
        list.services.get(resourceId)?.status() ??
        (await storedStatuses(db, { resourceId, absent: await absentNodes() }))[0]
      );
    },
    checks: {
      async of(resource) {
        const service = list.services.get(resource.id);
        if (service) return service.checks.map(({ check }) => check);
        // Another node's, or one that nobody watches: what would be asked.
        const stored = (await loadChecks(db, [resource.id])).get(resource.id) ?? [];
        const asked = stored.filter(({ retired }) => !retired).map(({ check }) => check);
        return asked.length > 0 ? asked : namedChecks(resource, settings(), new Map());
      },
    },
    all,
    here: () =>
      [...list.services.values()].map((service) => ({ resource: service.resource, status: service.status() })),
    async probeNow(resourceId, callSignal) {
      const service = list.services.get(resourceId);
      if (!service) return await monitoring.status(resourceId);
      await untilAborted(service.probeAll(), callSignal);
      return service.status();
    },
    async overall() {
      return (await report()).overall;
    },
    report,
    sharedChecks: () => sharedChecks(db),
    responseTimes: (resourceIds, since) => responseTimes(db, resourceIds, since),
    uptimes: async (since) => uptimes(db, since, now(), await excused(since, now())),
    uptime: (days) =>
      uptimeUntil(now(), days, async (spans) => availability(db, spans, await excused(...whole(spans)))),
    probeEverything,
    async forgetNode(id) {
      await db
        .updateTable('checks')
        .set({ retired_at: now() })
        .where('node', '=', id)
        .where('retired_at', 'is', null)
        .execute();
      await db.deleteFrom('service_statuses').where('node', '=', id).execute();
    },
    stored: () => recorder.flush(),
    droppedResults: () => recorder.dropped(),
    async start() {
      await keepHistory(db, now(), keepResultsMs?.());
      await bridgeGap(db, node, now());
      await selfCheck.start();
      const startedAt = now();
      await list.syncAll();
      consumer = store.events.consume({
        consumer: `monitoring:${node}`,
        types: INVENTORY_EVENTS,
        async handle({ type, subject, at }) {
          // What was told before is in the inventory, and that was just read.
          if (at < startedAt) return;
          if (type === 'config.loaded' || type === 'discovery.completed') await list.syncAll();
          else if (subject) await list.sync(subject.id);
        },
      });
      log.info('monitoring watches', { services: list.services.size });
    },
    async stop() {
      stopping.abort();
      scheduler.stop();
      await consumer?.stop();
      await recorder.stop();
      await selfCheck.stop();
    },
  };
  return Object.assign(monitoring, {
    operations: [
      ...monitoringOperations({ monitoring, inventory, db, node }),
      uptimeOperation({ inventory, uptime: monitoring.uptime }),
    ],
  });
}

/** The work goes on where the caller no longer waits for it: others may. */
async function untilAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  const refuse = (): void => reject(StewardError.from(signal.reason));
  signal.addEventListener('abort', refuse, { once: true });
  try {
    await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener('abort', refuse);
  }
}

/** From the beginning of the first to the end of the last. */
function whole(spans: readonly Span[]): [from: Date, until: Date] {
  const from = Math.min(...spans.map((span) => span.from.getTime()));
  const until = Math.max(...spans.map((span) => span.until.getTime()));
  return [new Date(from), new Date(until)];
}
