import { resolve } from 'node:path';
import { automations } from '../automations/index.ts';
import { loadRunbooks } from '../config/runbooks.ts';
import type { Resource } from '../core/resource.ts';
import type { Runbook } from '../core/runbook.ts';
import type { HealingSettings } from '../systems/healing/settings.ts';
import { fakeDocker } from './fakes/fake-docker.ts';
import { fakeSystemd } from './fakes/fake-systemd.ts';

export const HEALING: HealingSettings = {
  enabled: true,
  mode: 'act',
  loop: '30s',
  soak: '60s',
  recurrence: '1h',
  memory: '1d',
  attempts: 3,
  perHour: 3,
  disruptivePerHour: 100,
  backoff: '10s',
  autonomy: { by: 'record', successes: 5, rate: 0.8, floor: 0.6, window: 20, trusted: [] },
};

const known = new Map(automations().map((automation) => [automation.name, automation]));

/** Those that ship, as they are. */
export function shippedRunbooks(): readonly Runbook[] {
  return loadRunbooks({ shipped: resolve(import.meta.dirname, '../runbooks'), own: '/nonexistent', automations: known })
    .runbooks;
}

/** What healing is given besides its own: the runbooks that ship, and a machine on which nothing is worked on. */
export function healingParts() {
  return {
    checks: { of: async () => [] },
    runbooks: shippedRunbooks,
    automation: (name: string) => known.get(name),
    maintenance: { activeFor: async () => undefined },
    sourceOf: (_resource: Resource): string | undefined => undefined,
    ports: { docker: fakeDocker(), systemd: fakeSystemd() },
  };
}
