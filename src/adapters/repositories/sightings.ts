/** What this process has looked at, so that the clock of the machine alone, which may jump, never says that nobody is at it any more. */
export interface Sightings {
  /** Takes what is in a place now, each with what changes while somebody is at it; gives for how long each was seen as it is. */
  look(place: string, there: ReadonlyMap<string, string>): (id: string) => number;
}

/** What is renewed every few minutes, and was seen unchanged for this long, nobody renews. */
export const UNCHANGED_MS = 30 * 60_000;

export function createSightings(monotonic = (): number => performance.now()): Sightings {
  const places = new Map<string, ReadonlyMap<string, { readonly as: string; readonly since: number }>>();
  return {
    look(place, there) {
      const now = monotonic();
      const before = places.get(place);
      const seen = new Map(
        [...there].map(([id, as]) => {
          const known = before?.get(id);
          return [id, known?.as === as ? known : { as, since: now }];
        }),
      );
      if (seen.size === 0) places.delete(place);
      else places.set(place, seen);
      return (id) => now - (seen.get(id)?.since ?? now);
    },
  };
}
