export type Ending = 'timeout' | 'canceled';

/** One listener for each signal, however many probes share it: adding to a long list of listeners compares with all of them. */
const waiting = new WeakMap<AbortSignal, Set<(ending: Ending) => void>>();

/**
 * Calls `end` once when the time is over or the signal aborts, unless the returned function was called before.
 * Timers of one duration share one list and one timer of the event loop, so a thousand of them cost no more than a wheel.
 */
export function startDeadline(timeoutMs: number, signal: AbortSignal, end: (ending: Ending) => void): () => void {
  if (signal.aborted) {
    queueMicrotask(() => end('canceled'));
    return () => undefined;
  }
  const probes = waiting.get(signal) ?? register(signal);
  const finish = (ending: Ending): void => {
    clear();
    end(ending);
  };
  const timer = setTimeout(finish, timeoutMs, 'timeout');
  const clear = (): void => {
    clearTimeout(timer);
    probes.delete(finish);
  };
  probes.add(finish);
  return clear;
}

function register(signal: AbortSignal): Set<(ending: Ending) => void> {
  const probes = new Set<(ending: Ending) => void>();
  waiting.set(signal, probes);
  signal.addEventListener(
    'abort',
    () => {
      for (const finish of probes) finish('canceled');
    },
    { once: true },
  );
  return probes;
}
