import type { Inventory } from '../../core/inventory.ts';
import type { Line } from '../../core/lines.ts';
import type { Log } from '../../core/log.ts';
import type { ServiceLogs } from '../../core/service-logs.ts';

/** What Steward itself said last. */
export interface OwnLog {
  recent(): readonly Line[];
  on(listener: (line: Line) => void): () => void;
}

export interface LogsOptions {
  readonly inventory: Inventory;
  readonly logs: ServiceLogs;
  readonly own: OwnLog;
  /** What runs said, the newest of them, oldest first. */
  readonly runLines: (since: Date, limit: number) => Promise<Line[]>;
  readonly node: { readonly id: string };
  readonly nodeName: (id: string) => Promise<string>;
  readonly now: () => Date;
  readonly log: Log;
}

export interface LogsDeps extends LogsOptions {
  readonly tail: (service: string, lines: number) => Promise<Line[]>;
  readonly pause: (signal: AbortSignal) => Promise<void>;
}
