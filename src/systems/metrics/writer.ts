import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { encodeTick, type Values } from './codec.ts';
import { GIVE_UP_MS } from './levels.ts';
import type { MetricDb } from './tables.ts';

export interface TickWriter {
  write(at: Date, values: Values): Promise<void>;
  /** Ticks given up because the store was away for too long. */
  dropped(): number;
}

/** Writes ticks. While the store is away they are kept, for as long as they would still be packed. */
export function createTickWriter({ db, node, log }: { db: MetricDb; node: string; log: Log }): TickWriter {
  let waiting: { readonly at: Date; readonly data: Buffer }[] = [];
  let failing = false;
  let dropped = 0;
  return {
    async write(at, values) {
      const young = waiting.filter((tick) => at.getTime() - tick.at.getTime() < GIVE_UP_MS);
      dropped += waiting.length - young.length;
      waiting = [...young, { at, data: encodeTick(values) }];
      try {
        await db
          .insertInto('metric_ticks')
          .values(waiting.map((tick) => ({ node, ...tick })))
          // A clock that was set back comes by the same second twice.
          .onConflict((conflict) => conflict.doNothing())
          .execute();
        waiting = [];
        if (failing) log.info('measured values are stored again', { dropped });
        failing = false;
      } catch (thrown) {
        if (!failing)
          log.warn('measured values could not be stored and are kept', {
            reason: StewardError.from(thrown).message,
            forMs: GIVE_UP_MS,
          });
        failing = true;
      }
    },
    dropped: () => dropped,
  };
}
