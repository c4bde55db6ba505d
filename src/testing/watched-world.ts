import type { Problem, ProbeResult } from '../core/check.ts';
import type { EvidenceCollector, Monitor, ServiceStatus } from '../core/monitor.ts';
import type { Resource } from '../core/resource.ts';
import { aResource, type FakeInventory, fakeInventory } from './fakes/fake-inventory.ts';

/** A unit of systemd on the node `here`, called by its id. */
export function watchedService(id: string, more: Partial<Resource> = {}): Resource {
  return aResource({
    id,
    node: 'here',
    supervisor: { kind: 'systemd', unit: `${id}.service`, scope: 'system' },
    ...more,
  });
}

/** An inventory of them; `needs` lists for each id what it depends on. */
export function watchedInventory(
  resources: readonly Resource[],
  needs: Readonly<Record<string, readonly string[]>> = {},
): FakeInventory {
  const inventory = fakeInventory(resources);
  for (const [from, all] of Object.entries(needs)) for (const to of all) inventory.link(from, to);
  return inventory;
}

export interface FakeMonitor extends Monitor {
  /** What the resource is from now on, as the next look will find it. */
  set(
    resourceId: string,
    state: ServiceStatus['state'],
    options?: { failures?: number; message?: string; problem?: Problem; detail?: ProbeResult['detail'] },
  ): void;
  readonly probed: string[];
}

/** Monitoring that says what it was told; resources it was told nothing about are up. */
export function fakeMonitor(now: () => Date): FakeMonitor {
  const statuses = new Map<string, ServiceStatus>();
  const probed: string[] = [];
  const status = (
    resourceId: string,
    state: ServiceStatus['state'],
    failures: number,
    message: string,
    problem?: Problem,
    detail: ProbeResult['detail'] = {},
  ): ServiceStatus => {
    const last: ProbeResult | undefined =
      state === 'pending'
        ? undefined
        : {
            state: failures > 0 && state === 'up' ? 'down' : state,
            latencyMs: 1,
            message,
            depth: 'connect',
            detail,
            ...(problem && { problem }),
          };
    const before = statuses.get(resourceId);
    return {
      resourceId,
      state,
      since: before?.state === state ? before.since : now(),
      consecutiveFailures: failures,
      checks: [
        {
          id: `${resourceId}/tcp`,
          kind: 'tcp',
          state,
          at: now(),
          consecutiveFailures: failures,
          ...(last && { last }),
        },
      ],
    };
  };
  const known = (resourceId: string): ServiceStatus =>
    statuses.get(resourceId) ?? status(resourceId, 'up', 0, 'answered');
  return {
    probed,
    set(
      resourceId,
      state,
      {
        failures = state === 'down' ? 3 : 0,
        message = state === 'down' ? 'connection refused' : 'answered',
        problem,
        detail,
      } = {},
    ) {
      statuses.set(resourceId, status(resourceId, state, failures, message, problem, detail));
    },
    status: async (resourceId) => known(resourceId),
    all: async () => [...statuses.values()],
    async probeNow(resourceId) {
      probed.push(resourceId);
      return known(resourceId);
    },
  };
}

export function fakeEvidence(lines: readonly string[] = ['last words']): EvidenceCollector {
  return { collect: async ({ name }) => ({ logs: lines.map((line) => `${name}: ${line}`) }) };
}
