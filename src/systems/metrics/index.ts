import { StewardError } from '../../core/errors.ts';
import type { Reading } from '../../core/metric.ts';
import type { MetricsPort } from '../../core/ports/metrics.ts';
import type { System } from '../../core/system.ts';
import type { MetricsDeps } from './deps.ts';
import { metricOperations } from './operations.ts';
import { findSeries } from './find-series.ts';
import { readRange, resolve } from './range.ts';
import { createSampler } from './sampler.ts';
import { createSeriesBook } from './series.ts';
import { createServiceMeter } from './service-meter.ts';
import { createStoreMeter } from './store-meter.ts';
import type { MetricTables } from './tables.ts';
import { metricTextfile, type TextfileDeps } from './textfile.ts';
import { createTickReader } from './ticks.ts';
import { keepMetrics, metricUpkeep } from './upkeep.ts';
import { createTickWriter } from './writer.ts';

export { metricMigrations } from './tables.ts';
export type { MetricsSettings } from './deps.ts';

export interface Metrics extends System {
  readonly port: MetricsPort;
  /** Measures once, and writes it down. */
  sampleNow(): Promise<void>;
  /** Everything as it is now, for who scrapes. */
  current(): Promise<Reading[]>;
  /** Why something is not kept that could be. */
  notice(): string | undefined;
}

/** Of one metric, on one node. */
const MOST_READ = 5_000;

/** Measures this node four times a minute, and keeps what it measured ever more coarsely. */
export function createMetrics(
  deps: MetricsDeps & { readonly nodeId: (name: string) => Promise<string>; readonly textfile: TextfileDeps },
): Metrics {
  const { store, settings, textfile, node, now, log } = deps;
  const db = store.db.withTables<MetricTables>();
  const book = createSeriesBook({ db, node: node.id, most: () => settings().series });
  const writer = createTickWriter({ db, node: node.id, log });
  const sampler = createSampler({
    ...deps,
    meters: [
      ...deps.meters,
      createStoreMeter(db, now),
      createServiceMeter({ inventory: deps.inventory, usage: deps.usage, node: node.id, now }),
    ],
    book,
    writer,
    onSampled: tellLimit,
  });
  const ticks = createTickReader(db);
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
    operations: metricOperations({ ...deps, ticks }),
    jobs: [metricUpkeep({ db, keep: () => settings().keep }), metricTextfile(textfile)],
    port: {
      async over(name, { from, to, stepMs }) {
        const rows = await findSeries(db, { name, node: node.id }, { inventory: deps.inventory, limit: MOST_READ });
        const resolution = resolve({ from, stepMs }, settings().keep, now());
        const ids = rows.map(({ id }) => id);
        const found = await readRange(db, ids, { from, to }, resolution, ticks);
        return rows.map(({ id, labels, resourceId }) => ({
          labels,
          ...(resourceId !== null && { resourceId }),
          points: (found.get(id) ?? []).map(({ at, sum, count }) => ({ at, avg: sum / count })),
        }));
      },
    },
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
