import type { Inventory } from '../../core/inventory.ts';
import type { Log } from '../../core/log.ts';
import type { Meter } from '../../core/metric.ts';
import type { WatchedHere } from '../../core/monitor.ts';
import type { UsagePort } from '../../core/ports/usage.ts';
import type { Store } from '../../store/store.ts';
import type { Keep } from './levels.ts';

export interface MetricsSettings {
  readonly enabled: boolean;
  /** Series that one node keeps at most. */
  readonly series: number;
  readonly keep: Keep;
}

export interface MetricsDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly inventory: Pick<Inventory, 'resolve' | 'find'>;
  readonly meters: readonly Meter[];
  /** What services take of this machine. */
  readonly usage: UsagePort;
  /** What this node watches, with how it is. */
  readonly watched: () => readonly WatchedHere[];
  readonly settings: () => MetricsSettings;
  readonly node: { readonly id: string; readonly name: string };
  /** What people call a node. */
  readonly nodeName: (id: string) => Promise<string>;
  readonly now: () => Date;
  readonly log: Log;
}
