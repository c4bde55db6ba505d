/** Something that takes time and stops when it is asked to. Every safeguard takes one and gives one. */
export type Work<T> = (signal: AbortSignal) => Promise<T>;

export type Safeguard = <T>(work: Work<T>) => Work<T>;

/** The first one named stands outermost: `guarded(retried(...), timed(...))` limits each attempt. */
export function guarded(...safeguards: readonly Safeguard[]): Safeguard {
  return (work) => safeguards.reduceRight((inner, safeguard) => safeguard(inner), work);
}
