import { systemActor } from '../../core/actor.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { EvidenceCollector, Monitor } from '../../core/monitor.ts';
import type { RunFollowUps, RunService } from '../../core/run-service.ts';
import type { Attempts } from './attempts.ts';
import type { HealingSettings } from './settings.ts';

export interface HealerDeps {
  readonly incidents: Incidents;
  readonly monitor: Monitor;
  readonly inventory: Inventory;
  readonly evidence: EvidenceCollector;
  readonly runs: RunService & Pick<RunFollowUps, 'mode'>;
  readonly attempts: Attempts;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
  readonly log: Log;
  readonly settings: () => HealingSettings;
}

export const HEALER = systemActor('healing');
