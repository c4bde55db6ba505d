import type { ChangeLog } from '../../core/change-log.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { EventType } from '../../core/event.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { Maintenance } from '../../core/maintenance.ts';
import type { EvidenceCollector, Monitor } from '../../core/monitor.ts';
import type { System } from '../../core/system.ts';
import type { EventConsumer } from '../../store/event-consumer.ts';
import type { Store } from '../../store/store.ts';
import { createDeadUplink } from './dead-uplink.ts';
import { createFailedRuns, RUN_EVENTS } from './failed-runs.ts';
import { createLedger } from './ledger.ts';
import { createLostNodes, NODE_EVENTS } from './lost-nodes.ts';
import { incidentOperations } from './operations.ts';
import { incidentRetention } from './retention.ts';
import { createSymptoms } from './symptoms.ts';
import { upkeep } from './upkeep.ts';

export { incidentsMigrations } from './tables.ts';

export interface IncidentsDeps {
  readonly store: Store;
  readonly inventory: Inventory;
  readonly monitor: Monitor;
  readonly evidence: EvidenceCollector;
  readonly changes: ChangeLog;
  /** What is being worked on opens no incident; nothing ever is where this is left out. */
  readonly maintenance?: Pick<Maintenance, 'activeFor'> | undefined;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
  readonly log: Log;
  /** Between two looks at what no single event tells. */
  readonly upkeepMs?: () => number;
  /** How long resolved incidents are kept. */
  readonly keepMs?: () => number;
}

const SERVICE_EVENTS: readonly EventType[] = [
  'service.down',
  'service.degraded',
  'service.up',
  'service.stopped',
  'resource.gone',
  'maintenance.ended',
];
const UPKEEP_MS = 15_000;
const KEEP_MS = 365 * 86_400_000;

/** Open problems, one for each fingerprint: what was seen, what explains it, what was done. */
export function createIncidents(deps: IncidentsDeps): System & Incidents {
  const { store, node, log, upkeepMs = () => UPKEEP_MS, keepMs = () => KEEP_MS } = deps;
  const ledger = createLedger(deps);
  const uplink = createDeadUplink({ ...deps, ledger });
  const symptoms = createSymptoms({ ...deps, ledger, uplink, lookAgainIn });
  const failedRuns = createFailedRuns({ ledger, node });
  const lostNodes = createLostNodes({ ledger, node });
  const alarms = new Set<NodeJS.Timeout>();
  let woken = Promise.withResolvers<void>();
  let stopping = new AbortController();
  let consumer: EventConsumer | undefined;
  let loop: Promise<void> | undefined;

  function lookAgainIn(milliseconds: number): void {
    // Upkeep comes by itself before long.
    if (milliseconds >= upkeepMs()) return;
    const alarm = setTimeout(() => {
      alarms.delete(alarm);
      woken.resolve();
    }, milliseconds + 1);
    alarms.add(alarm);
  }

  async function lookAgainAndAgain(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      woken = Promise.withResolvers();
      await Promise.race([woken.promise, sleep(upkeepMs(), undefined, { signal }).catch(() => undefined)]);
      if (signal.aborted) return;
      try {
        await upkeep({ ...deps, ledger, symptoms }, signal);
      } catch (thrown) {
        const { code, message } = StewardError.from(thrown);
        if (!signal.aborted) log.warn('upkeep of incidents failed and is tried again', { code, reason: message });
      }
    }
  }

  return {
    name: 'incidents',
    operations: incidentOperations({ store, ledger }),
    jobs: [incidentRetention({ store, keepMs })],

    async start() {
      stopping = new AbortController();
      consumer = store.events.consume({
        consumer: `incidents:${node.name}`,
        types: [...SERVICE_EVENTS, ...RUN_EVENTS, ...NODE_EVENTS, 'incident.opened'],
        // Five hundred that fail in one minute are not looked at one after the other.
        about: ({ type, subject }) => (type.startsWith('service.') ? subject?.id : undefined),
        async handle(event, signal) {
          if (RUN_EVENTS.includes(event.type)) await failedRuns(event);
          else if (event.type === 'incident.opened') await uplink.adopt(event);
          else if (NODE_EVENTS.includes(event.type)) await lostNodes(event);
          else await symptoms.handle(event, signal);
        },
      });
      loop = lookAgainAndAgain(stopping.signal);
    },

    async stop() {
      stopping.abort();
      for (const alarm of alarms) clearTimeout(alarm);
      alarms.clear();
      await Promise.all([consumer?.stop(), loop]);
    },

    open: (incident) => ledger.open(incident),
    timeline: ledger.timeline,
    get: (id) => ledger.get(id),
    byFingerprint: (fingerprint) => ledger.byFingerprint(fingerprint),
    unresolved: (only) => ledger.unresolved(only),
    note: (id, entry) => ledger.note(id, entry),
    setStatus: (id, status) => ledger.setStatus(id, status),
    escalate: (id, why, learned) => ledger.escalate(id, why, learned),
    resolve: (id, resolution, actor) => ledger.resolve(id, resolution, actor),
  };
}
