/** Work for many peers through few places, so arranged that peers which hang wait for each other and not the rest for them. */
export interface Lanes {
  /** `work` says whether its peer held the place up; the next work for this key then waits with its like. */
  run<T>(key: string, work: () => Promise<T>, heldUp: (result: T) => boolean): Promise<T>;
}

interface Lane {
  free: number;
  readonly waiting: (() => void)[];
}

const MOST_KEYS = 20_000;

/** `quick` places for peers that answered in time when they were asked last, or never were; `slow` ones for the others. */
export function createLanes({ quick, slow }: { quick: number; slow: number }): Lanes {
  const lanes = { quick: laneOf(quick), slow: laneOf(slow) };
  const suspects = new Set<string>();

  return {
    async run(key, work, heldUp) {
      const lane = suspects.has(key) ? lanes.slow : lanes.quick;
      if (lane.free > 0) lane.free -= 1;
      else await new Promise<void>((resolve) => lane.waiting.push(resolve));
      try {
        const result = await work();
        if (!heldUp(result)) suspects.delete(key);
        else if (suspects.size < MOST_KEYS) suspects.add(key);
        return result;
      } finally {
        // The place goes straight to whoever is next, so that nobody slips in between.
        const next = lane.waiting.shift();
        if (next) next();
        else lane.free += 1;
      }
    },
  };
}

function laneOf(free: number): Lane {
  return { free, waiting: [] };
}
