import type { HostPort } from '../core/ports/host.ts';
import type { Inventory } from '../core/inventory.ts';
import type { Incidents } from '../core/incident.ts';
import type { RunService } from '../core/run-service.ts';
import type { Engine } from '../engine/index.ts';
import type { Store } from '../store/store.ts';
import type { Alerting } from '../systems/alerting/index.ts';
import type { Healing } from '../systems/healing/index.ts';
import type { Monitoring } from '../systems/monitoring/index.ts';
import type { Notice, StatusDeps } from '../systems/status/index.ts';

export interface OverviewParts {
  readonly store: Pick<Store, 'health' | 'mode'>;
  readonly host: HostPort;
  readonly engine: Pick<Engine, 'counts' | 'nodes' | 'workflows'>;
  readonly runs: RunService;
  readonly inventory: Pick<Inventory, 'find'>;
  readonly monitoring: Pick<Monitoring, 'overall' | 'all'>;
  readonly healing: Pick<Healing, 'stats'>;
  readonly incidents: Pick<Incidents, 'unresolved'>;
  readonly alerting: Pick<Alerting, 'deliveryStatus'>;
  readonly deadManConfigured: () => boolean;
  readonly notices: () => Promise<Notice[]>;
}

/** Where each figure of the status comes from. */
export function overviewOf(parts: OverviewParts): Omit<StatusDeps, 'version' | 'node' | 'startedAt'> {
  const { store, host, engine, runs, inventory, monitoring, healing, incidents, alerting } = parts;
  const stateCounts = async (): Promise<Record<string, number>> => {
    const statuses = await monitoring.all();
    return Object.fromEntries(
      [...Map.groupBy(statuses, ({ state }) => state)].map(([state, group]) => [state, group.length]),
    );
  };
  return {
    store: async () => ({ ...(await store.health()), mode: store.mode }),
    workflows: () => {
      const { workflowsActive, triggers } = engine.counts();
      return { active: workflowsActive, triggers };
    },
    scaling: async () => {
      const [sample, nodes] = await Promise.all([host.sample(), engine.nodes()]);
      const used = 1 - sample.memoryAvailableBytes / sample.memoryTotalBytes;
      return {
        cpu: percent(sample.cpuPercent),
        memory: percent(used * 100),
        active_nodes: nodes.filter(({ state }) => state === 'alive').length,
      };
    },
    healing: async () => {
      const [{ overall_status, components, stats }, { successful }] = await Promise.all([
        monitoring.overall(),
        healing.stats(),
      ]);
      return {
        overall_status,
        components: [...components],
        stats: { ...stats, successful_healings: successful },
      };
    },
    // Nothing is learned yet, and the status says so rather than leaving the members out.
    intelligence: () => ({ learned_patterns: 0, pending_optimizations: 0, high_impact_suggestions: 0 }),
    discovery: async () => ({ services: (await inventory.find({ kind: 'service', state: 'present' })).length }),
    services: stateCounts,
    incidents: async () => (await incidents.unresolved()).filter(({ parentId }) => parentId === undefined),
    waitingApproval: async () => (await runs.list({ status: ['waiting-approval'], limit: 500 })).items.length,
    waitingAnswer: async () => (await engine.workflows.questions()).length,
    delivery: async () => {
      const { channels } = await alerting.deliveryStatus();
      return {
        channels: channels.length,
        failing: channels.filter(({ lastError }) => lastError !== undefined).map(({ name }) => name),
        deadMan: parts.deadManConfigured(),
      };
    },
    notices: parts.notices,
  };
}

function percent(value: number): number {
  return Math.round(value * 10) / 10;
}
