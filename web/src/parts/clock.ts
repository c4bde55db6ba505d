import { useSyncExternalStore } from 'react';

const EVERY_MS = 5_000;
let now = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

function subscribe(listener: () => void): () => void {
  // Whoever is the first to look must not see an instant at which nobody looked.
  if (listeners.size === 0) now = Date.now();
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, EVERY_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** One clock for all lengths of time on the page. Milliseconds since 1970, a few seconds old at most. */
export const useNow = (): number => useSyncExternalStore(subscribe, () => now);
