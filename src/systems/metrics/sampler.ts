import { setTimeout as sleep } from 'node:timers/promises';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Meter, Reading } from '../../core/metric.ts';
import type { WatchedHere } from '../../core/monitor.ts';
import { checkReadings } from './check-readings.ts';
import { SAMPLE_MS } from './levels.ts';
import { createRates } from './rates.ts';
import type { SeriesBook } from './series.ts';
import type { TickWriter } from './writer.ts';

export interface SamplerDeps {
  readonly meters: readonly Meter[];
  readonly watched: () => readonly WatchedHere[];
  readonly book: SeriesBook;
  readonly writer: TickWriter;
  /** Called after each sample. */
  readonly onSampled?: (() => Promise<void>) | undefined;
  readonly now: () => Date;
  readonly log: Log;
}

export interface Sampler {
  /** Everything as it is now, for who scrapes. */
  current(): Promise<Reading[]>;
  /** Looks, and writes down what is new. */
  sample(): Promise<void>;
  /** Samples at each whole quarter of a minute until it is aborted. */
  run(signal: AbortSignal): Promise<void>;
}

/** Looks at everything at one instant. What cannot be looked at leaves a gap, never an old value. */
export function createSampler({ meters, watched, book, writer, onSampled, now, log }: SamplerDeps): Sampler {
  const rates = createRates();
  const told = new Set<string>();

  async function current(): Promise<Reading[]> {
    const read = meters.map((meter) =>
      meter.read().catch((thrown: unknown) => {
        const reason = StewardError.from(thrown).message;
        // Four times a minute the same line would help nobody.
        if (!told.has(reason)) log.warn('something could not be measured', { reason });
        if (told.size < 100) told.add(reason);
        return [];
      }),
    );
    const own: Reading = { name: 'steward_metric_series', labels: {}, value: book.count() };
    return [...(await Promise.all(read)).flat(), ...checkReadings(watched()), own];
  }

  async function sample(): Promise<void> {
    const all = await current();
    const at = now();
    const readings = rates(all, at).filter(({ value }) => Number.isFinite(value));
    const ids = await book.idsOf(readings, at);
    const values = readings.flatMap(({ value }, index): (readonly [number, number])[] => {
      const id = ids[index];
      return id === undefined ? [] : [[id, value]];
    });
    if (values.length > 0) await writer.write(at, values);
    await onSampled?.();
  }

  return {
    current,
    sample,
    async run(signal) {
      while (!signal.aborted) {
        await sample().catch((thrown: unknown) =>
          log.warn('what was measured could not be kept', { reason: StewardError.from(thrown).message }),
        );
        const wait = SAMPLE_MS - (now().getTime() % SAMPLE_MS);
        await sleep(wait, undefined, { signal, ref: false }).catch(() => undefined);
      }
    },
  };
}
