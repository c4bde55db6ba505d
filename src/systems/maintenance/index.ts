import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { Maintenance, NextInstant } from '../../core/maintenance.ts';
import type { System } from '../../core/system.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import type { Store } from '../../store/store.ts';
import { windowsOfRuns, type WorkOfRun } from './of-runs.ts';
import { maintenanceOperations } from './operations.ts';
import { type ConfiguredMaintenance, configuredPlans, type MaintenancePlan, storedPlans } from './plans.ts';
import { maintenanceRetention } from './retention.ts';
import type { MaintenanceTables } from './tables.ts';
import { createWindows } from './windows.ts';

export { maintenanceMigrations } from './tables.ts';
export type { ConfiguredMaintenance } from './plans.ts';

export interface MaintenanceDeps {
  readonly store: Store;
  readonly inventory: Pick<Inventory, 'resolve'>;
  /** How the engine reads schedules. */
  readonly next: NextInstant;
  /** Windows of this machine's configuration, read anew at each use. */
  readonly configured: () => readonly ConfiguredMaintenance[];
  readonly nodes: () => Promise<readonly { readonly id: string; readonly name: string }[]>;
  readonly node: { readonly id: string; readonly name: string };
  /** Whether the run that a window is open for is over, or never was. */
  readonly isOver: (owner: string) => Promise<boolean>;
  /** What a run that begins takes away from under others; most take nothing. */
  readonly workOf?: (runId: string) => Promise<WorkOfRun | undefined>;
  readonly now: () => Date;
  readonly log: Log;
  /** How long windows that are over are kept. */
  readonly keepMs?: () => number;
}

/** A run that ended is noticed after this long at the latest. */
const LOOK_MS = 5_000;
const KEEP_MS = 365 * 86_400_000;

/** Knows when work is going on, and on what: whoever would open an incident, tell somebody or heal asks here first. */
export function createMaintenance(deps: MaintenanceDeps): System & Maintenance {
  const { store, inventory, next, configured, nodes, node, isOver, workOf, now, log, keepMs = () => KEEP_MS } = deps;
  const db = store.db.withTables<MaintenanceTables>();
  const plans = async (): Promise<MaintenancePlan[]> => [
    ...configuredPlans(configured(), node.id),
    ...(await storedPlans(db)),
  ];
  const windows = createWindows({
    store,
    next,
    plans,
    nodeName: async (id) => (id === node.id ? node.name : (await nodes()).find((each) => each.id === id)?.name),
    node: node.id,
    isOver,
    now,
  });
  let stopping = new AbortController();
  let woken = Promise.withResolvers<void>();
  let loop: Promise<void> | undefined;
  let consumer: EventConsumer | undefined;

  async function turnAgainAndAgain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      woken = Promise.withResolvers();
      let wait = LOOK_MS;
      try {
        const due = await windows.turn();
        if (due) wait = Math.min(wait, Math.max(0, due.getTime() - now().getTime()));
      } catch (thrown) {
        const { code, message } = StewardError.from(thrown);
        if (!signal.aborted) log.warn('maintenance windows could not be looked at', { code, reason: message });
      }
      const done = new AbortController();
      await Promise.race([woken.promise, sleep(wait, undefined, { signal: done.signal }).catch(() => undefined)]);
      done.abort();
    }
  }

  const maintenance: System & Maintenance = {
    name: 'maintenance',
    operations: maintenanceOperations({
      windows,
      inventory,
      next,
      nodes,
      plans,
      onNews: () => woken.resolve(),
    }),
    jobs: [maintenanceRetention({ db, keepMs })],
    activeFor: (subject, at) => windows.activeFor(subject, at),
    during: (subjects, since, until) => windows.during(subjects, since, until),

    async openFor({ owner, resources, reason, actor, atMostMs }) {
      const open = await windows.ofOwner(owner);
      if (open) return open;
      const at = now();
      const opened = await windows.open({
        kind: 'owned',
        reason,
        actor,
        owner,
        scope: { everything: false, services: [...resources], labels: [], nodes: [] },
        startsAt: at,
        endsAt: new Date(at.getTime() + atMostMs),
      });
      // Another may have been quicker.
      return (await windows.ofOwner(owner)) ?? opened;
    },

    async close(owner) {
      const open = await windows.ofOwner(owner);
      if (open) await windows.end(open.id, now());
    },

    async start() {
      stopping = new AbortController();
      // What begins while nobody is there is in force before anyone asks.
      await windows.turn();
      const { signal } = stopping;
      signal.addEventListener('abort', () => woken.resolve(), { once: true });
      loop = turnAgainAndAgain(signal);
      if (workOf) consumer = windowsOfRuns({ events: store.events, maintenance, workOf, node: node.id, log });
    },

    async stop() {
      await consumer?.stop();
      stopping.abort();
      woken.resolve();
      await loop;
    },
  };
  return maintenance;
}
