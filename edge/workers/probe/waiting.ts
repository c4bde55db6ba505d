import type { PlaceResult } from '../../handlers/probe/messages.ts';
import type { KeyValues } from '../platform.ts';

const PREFIX = 'results:';
/** Rounds: a day and a half of every five minutes. */
const MOST_WAITING = 432;
/** No more are sent with one round. */
const AT_ONCE = 24;
const DROPPED = 'dropped';

interface Batch {
  readonly key: string;
  readonly results: readonly PlaceResult[];
}

/** What Steward could not be told, a key for each round; the oldest go first where too many wait, and are counted. */
export function createWaiting(store: KeyValues) {
  const keys = async (): Promise<readonly string[]> =>
    (await store.list({ prefix: PREFIX })).keys.map(({ name }) => name).toSorted();

  async function read(key: string): Promise<readonly PlaceResult[]> {
    return JSON.parse((await store.get(key)) ?? '[]') as PlaceResult[];
  }

  async function dropped(): Promise<number> {
    return Number((await store.get(DROPPED)) ?? 0);
  }

  /** How many were given up by now. */
  async function giveUp(count: number): Promise<number> {
    const all = (await dropped()) + count;
    await store.put(DROPPED, String(all));
    return all;
  }

  return {
    dropped,
    giveUp,
    async keep(results: readonly PlaceResult[], at: Date): Promise<void> {
      if (results.length === 0) return;
      await store.put(PREFIX + at.toISOString(), JSON.stringify(results));
      const all = await keys();
      let given = 0;
      for (const key of all.slice(0, Math.max(0, all.length - MOST_WAITING))) {
        given += (await read(key)).length;
        await store.delete(key);
      }
      if (given > 0) await giveUp(given);
    },
    async oldest(most: number): Promise<readonly Batch[]> {
      const first = (await keys()).slice(0, Math.max(0, Math.min(most, AT_ONCE)));
      return await Promise.all(first.map(async (key) => ({ key, results: await read(key) })));
    },
    remove: (key: string): Promise<void> => store.delete(key),
  };
}
