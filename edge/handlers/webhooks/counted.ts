/** What limits have counted lately: what is sent once more uses up no more of them. */
export interface Counted {
  has(of: CountedOnce): boolean;
  add(of: CountedOnce): void;
}

interface CountedOnce {
  /** What has the limit. */
  readonly key: string;
  readonly id: string;
  readonly windowMs: number;
  /** Unix milliseconds. */
  readonly now: number;
}

/** What was added since the last turn, and what was only before it. */
interface Generations {
  young: Set<string>;
  old: Set<string>;
  turnedAt: number;
}

const MOST_IDS = 100_000;

/** In the memory of one process: for a window at least, and of more than `mostIds` of one key the last half at least. */
export function memoryCounted(mostIds = MOST_IDS): Counted {
  const keys = new Map<string, Generations>();

  function generationsOf({ key, windowMs, now }: CountedOnce): Generations {
    const known = keys.get(key);
    const passed = known ? now - known.turnedAt : 0;
    if (known && passed >= -windowMs && passed < windowMs && known.young.size < mostIds / 2) return known;
    const turned = {
      young: new Set<string>(),
      old: known && Math.abs(passed) < 2 * windowMs ? known.young : new Set<string>(),
      turnedAt: now,
    };
    keys.set(key, turned);
    return turned;
  }

  return {
    has(of) {
      const { young, old } = generationsOf(of);
      return young.has(of.id) || old.has(of.id);
    },
    add: (of) => void generationsOf(of).young.add(of.id),
  };
}
