import type { ChangeLog } from '../../core/change-log.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { Maintenance } from '../../core/maintenance.ts';
import type { EvidenceCollector, Monitor } from '../../core/monitor.ts';
import type { Ledger } from './ledger.ts';

export interface SymptomDeps {
  readonly ledger: Ledger;
  readonly inventory: Inventory;
  readonly monitor: Monitor;
  readonly evidence: EvidenceCollector;
  readonly changes: ChangeLog;
  readonly maintenance?: Pick<Maintenance, 'activeFor'> | undefined;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
  readonly log: Log;
  /** Upkeep is due in so many milliseconds: something is well again and only has to stay so. */
  readonly lookAgainIn?: ((milliseconds: number) => void) | undefined;
}
