import { setTimeout as sleep } from 'node:timers/promises';
import type { Inventory } from '../../core/inventory.ts';
import type { Line, LineFeed } from '../../core/lines.ts';
import type { Log } from '../../core/log.ts';
import type { ServiceLogs } from '../../core/service-logs.ts';
import type { System } from '../../core/system.ts';
import { cleaned } from './clean.ts';
import { componentHere, OWN } from './components.ts';
import { createFeed } from './feed.ts';
import { logOperations } from './operations.ts';

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

export interface Logs extends System {
  readonly feed: LineFeed;
}

const LOOK_FOR_NEW_MS = 10_000;

/** The logs of everything on this node: read where they are, never collected. */
export function createLogs(options: LogsOptions): Logs {
  const deps: LogsDeps = {
    ...options,
    async tail(service, lines) {
      if (service === OWN) return options.own.recent().slice(-lines);
      const resource = await componentHere(service, options);
      const raw = await options.logs.read(resource, { lines });
      return cleaned(raw.slice(-lines), resource.name, options.now());
    },
    pause: async (signal) => await sleep(LOOK_FOR_NEW_MS, undefined, { signal }).catch(() => undefined),
  };
  return {
    name: 'logs',
    operations: logOperations(deps),
    jobs: [],
    feed: createFeed(deps),
    start: async () => undefined,
    stop: async () => undefined,
  };
}
