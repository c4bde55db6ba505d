/** Tells whether the silence of others may be held against them, or whether it was this node or the database that was away. */
export interface Silence {
  /** A beat of this node got through, at that instant of the database's clock. */
  heard(databaseMs: number): void;
  /** Something was away that everybody needs: all get time to speak again. */
  excuse(): void;
  /** False while others may not have had the chance to speak. */
  counts(): boolean;
}

/**
 * A node that misses beats of its own has seen nothing for as long: the database was away, or the process stood still.
 * A database whose clock went on by another time than passed here makes everybody look late, or early, at once.
 */
export function createSilence({
  lostAfterMs,
  monotonic = () => performance.now(),
}: {
  readonly lostAfterMs: number;
  readonly monotonic?: (() => number) | undefined;
}): Silence {
  let last: { readonly here: number; readonly there: number } | undefined;
  let patientUntil = monotonic() + 2 * lostAfterMs;
  const excuse = (): void => {
    patientUntil = monotonic() + 2 * lostAfterMs;
  };

  return {
    excuse,
    counts: () => monotonic() >= patientUntil,
    heard(databaseMs) {
      const here = monotonic();
      if (last) {
        const passed = here - last.here;
        const missed = passed > lostAfterMs / 2;
        const jumped = Math.abs(databaseMs - last.there - passed) > lostAfterMs / 4;
        if (missed || jumped) excuse();
      }
      last = { here, there: databaseMs };
    },
  };
}
