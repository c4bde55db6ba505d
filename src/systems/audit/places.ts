import { setTimeout as sleep } from 'node:timers/promises';
import type { AuditFollower, CheckpointPlace } from '../../core/audit.ts';
import type { Log } from '../../core/log.ts';
import { StewardError } from '../../core/errors.ts';
import type { Head } from './chain.ts';
import { checkpointOf, parseCheckpoints, type ReadCheckpoint } from './checkpoints.ts';

export interface Place {
  readonly place: CheckpointPlace;
  readonly everyMs: number;
}

export interface PlacesDeps {
  readonly places: readonly Place[];
  readonly key: Buffer;
  readonly chain: string;
  /** How far this process, or another with the key, has come. */
  readonly head: () => Promise<Head | undefined>;
  readonly now: () => Date;
  readonly log: Log;
}

export interface ReadPlace {
  readonly place: string;
  readonly found: readonly ReadCheckpoint[];
  readonly error?: string | undefined;
}

const LAST_WORDS_MS = 2_000;
const READ_WITHIN_MS = 10_000;

export const placeFollower = (name: string): string => `checkpoints:${name}`;

/** Checkpoints in other places than this machine. What is missing there is caught up with: the newest stands for all before it. */
export function createPlaces({ places, key, chain, head, now, log }: PlacesDeps) {
  const written = new Map<string, number>();

  async function write({ place }: Place, signal: AbortSignal): Promise<number> {
    const reached = await head();
    if (!reached) return 0;
    if (reached.seq !== written.get(place.name))
      await place.write(JSON.stringify(checkpointOf(key, chain, reached, now())), signal);
    written.set(place.name, reached.seq);
    return reached.seq;
  }

  function follower(each: Place): AuditFollower {
    let again = 0;
    return {
      name: placeFollower(each.place.name),
      async handle(records, signal) {
        const last = records.at(-1)?.seq ?? 0;
        if (last <= (written.get(each.place.name) ?? 0)) return;
        const wait = again - performance.now();
        if (wait > 0) await sleep(wait, undefined, { signal });
        await write(each, signal);
        again = performance.now() + each.everyMs;
      },
    };
  }

  return {
    followers: places.map(follower),

    /** What was written since the last one, before nobody writes any more. */
    async lastWords(): Promise<void> {
      await Promise.all(
        places.map(async (each) => {
          const late = AbortSignal.timeout(LAST_WORDS_MS);
          const over = Promise.withResolvers<never>();
          late.addEventListener('abort', () => over.reject(late.reason), { once: true });
          over.promise.catch(() => undefined);
          try {
            await Promise.race([write(each, late), over.promise]);
          } catch (thrown) {
            log.warn('audit checkpoint not written elsewhere', {
              place: each.place.name,
              reason: StewardError.from(thrown).message,
            });
          }
        }),
      );
    },

    /** What stands there; a place that cannot be asked says why. */
    async read(): Promise<ReadPlace[]> {
      return await Promise.all(
        places.map(async ({ place }): Promise<ReadPlace> => {
          if (!place.read) return { place: place.name, found: [], error: 'what was written there cannot be read back' };
          try {
            return {
              place: place.name,
              found: parseCheckpoints(await place.read(AbortSignal.timeout(READ_WITHIN_MS)), key, chain),
            };
          } catch (thrown) {
            return { place: place.name, found: [], error: StewardError.from(thrown).message };
          }
        }),
      );
    },
  };
}
