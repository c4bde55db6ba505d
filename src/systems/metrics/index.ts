import { StewardError } from '../../core/errors.ts';
import type { Reading } from '../../core/metric.ts';
import type { System } from '../../core/system.ts';
import type { MetricsDeps } from './deps.ts';
import { metricOperations } from './operations.ts';
import { createSampler } from './sampler.ts';
import { createSeriesBook } from './series.ts';
import { createStoreMeter } from './store-meter.ts';
import type { MetricTables } from './tables.ts';
import { keepMetrics, metricUpkeep } from './upkeep.ts';
import { createTickWriter } from './writer.ts';

export { metricMigrations } from './tables.ts';
export type { MetricsSettings } from './deps.ts';

export interface Metrics extends System {
  /** Measures once, and writes it down. */
  sampleNow(): Promise<void>;
  /** Everything as it is now, for who scrapes. */
  current(): Promise<Reading[]>;
  /** Why something is not kept that could be. */
  notice(): string | undefined;
}

/** Measures this node four times a minute, and keeps what it measured ever more coarsely. */
export function createMetrics(deps: MetricsDeps & { readonly nodeId: (name: string) => Promise<string> }): Metrics {
  const { store, settings, node, now, log } = deps;
  const db = store.db.withTables<MetricTables>();
  const book = createSeriesBook({ db, node: node.id, most: () => settings().series });
  const writer = createTickWriter({ db, node: node.id, log });
  const sampler = createSampler({
    ...deps,
    meters: [...deps.meters, createStoreMeter(db, now)],
    book,
    writer,
    onSampled: tellLimit,
  });
  const ending = new AbortController();
  let running: Promise<void> | undefined;
  let limited = false;

  /** Once each time that there begins to be too much. */
  async function tellLimit(): Promise<void> {
    const [was, refused] = [limited, book.refused()];
    limited = refused > 0;
    if (was || !limited) return;
    const data = { kept: book.count(), refused };
    log.warn('there is more to measure than may be kept', data);
    await store.db.transaction().execute(async (trx) => {
      await store.events.append(trx, { type: 'metrics.limited', node: node.name, data });
    });
  }

  return {
    name: 'metrics',
    operations: metricOperations(deps),
    jobs: [metricUpkeep({ db, keep: () => settings().keep })],
    sampleNow: () => sampler.sample(),
    current: () => sampler.current(),
    notice() {
      const refused = book.refused();
      return refused === 0
        ? undefined
        : `${book.count()} series are measured, and ${refused} more are not kept: metrics.series in steward.yaml is ${settings().series}.`;
    },
    async start() {
      if (!settings().enabled) return;
      // Room for today first: what is written before it is there would have to be moved.
      await keepMetrics(db, settings().keep, now(), ending.signal).catch((thrown: unknown) =>
        log.warn('measured values could not be brought together', { reason: StewardError.from(thrown).message }),
      );
      running = sampler.run(ending.signal);
    },
    async stop() {
      ending.abort();
      await running;
    },
  };
}
