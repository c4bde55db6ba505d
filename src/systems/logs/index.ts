import { setTimeout as sleep } from 'node:timers/promises';
import type { LineFeed } from '../../core/lines.ts';
import type { System } from '../../core/system.ts';
import { cleaned } from './clean.ts';
import { componentHere, OWN } from './components.ts';
import type { LogsDeps, LogsOptions } from './deps.ts';
import { createFeed } from './feed.ts';
import { logOperations } from './operations.ts';

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
