import { systemActor } from '../../core/actor.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { EvidenceCollector, Monitor } from '../../core/monitor.ts';
import type { ChecksPort } from '../../core/ports/checks.ts';
import type { Runbook } from '../../core/runbook.ts';
import type { RunFollowUps, RunService } from '../../core/run-service.ts';
import type { Attempts } from './attempts.ts';
import type { HoldDeps } from './hold.ts';
import type { Ledger } from './record.ts';
import type { HealingSettings } from './settings.ts';

export interface HealerDeps extends Pick<HoldDeps, 'maintenance' | 'automation' | 'sourceOf' | 'ports'> {
  readonly incidents: Incidents;
  readonly monitor: Monitor;
  readonly checks: ChecksPort;
  readonly inventory: Inventory;
  readonly evidence: EvidenceCollector;
  readonly runs: RunService & Pick<RunFollowUps, 'mode'>;
  /** In the order in which they are tried. */
  readonly runbooks: () => readonly Runbook[];
  readonly attempts: Attempts;
  readonly ledger: Ledger;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
  readonly log: Log;
  readonly settings: () => HealingSettings;
}

export const HEALER = systemActor('healing');
