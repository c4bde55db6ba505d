import type { Hold } from './locks.ts';
import type { Place } from './slots.ts';

/** What a run that goes straight on from planning to applying takes along: its place on this node, and its locks. */
export interface Kept {
  readonly place: Place | undefined;
  readonly hold: Hold | undefined;
}

export interface Handovers {
  /** From now on the run keeps what it has for the workflow that is about to begin. */
  keep(runId: string): void;
  /** The locks, where the run keeps them; false where it does not. */
  put(runId: string, hold: Hold | undefined): boolean;
  /** The beginning workflow asks for it; it resolves once the one before has ended. */
  take(runId: string): Promise<Kept> | undefined;
  /** Ends the keeping. Gives the locks back where nobody took over, true where somebody did, who has the place now too. */
  give(runId: string, place: Place | undefined): Promise<boolean>;
}

export function createHandovers(): Handovers {
  const open = new Map<
    string,
    { taken: boolean; hold?: Hold | undefined; readonly given: PromiseWithResolvers<Kept> }
  >();
  return {
    keep(runId) {
      open.set(runId, { taken: false, given: Promise.withResolvers() });
    },
    put(runId, hold) {
      const one = open.get(runId);
      if (one) one.hold = hold;
      return one !== undefined;
    },
    take(runId) {
      const one = open.get(runId);
      if (!one || one.taken) return undefined;
      one.taken = true;
      return one.given.promise;
    },
    async give(runId, place) {
      const one = open.get(runId);
      open.delete(runId);
      if (one?.taken) one.given.resolve({ place, hold: one.hold });
      else await one?.hold?.release().catch(() => undefined);
      return one?.taken ?? false;
    },
  };
}
