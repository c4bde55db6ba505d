/** One at a time, in the order of asking. */
export interface Slot {
  /** Resolves with the function that gives it back; rejects with the signal's reason. */
  take(signal: AbortSignal): Promise<() => void>;
}

export function createSlot(): Slot {
  let last: Promise<void> = Promise.resolve();
  return {
    async take(signal) {
      const before = last;
      const done = Promise.withResolvers<void>();
      last = before.then(() => done.promise);
      const stopped = Promise.withResolvers<never>();
      const stop = (): void => stopped.reject(signal.reason);
      signal.addEventListener('abort', stop, { once: true });
      try {
        signal.throwIfAborted();
        await Promise.race([before, stopped.promise]);
        return () => done.resolve();
      } catch (thrown) {
        done.resolve();
        throw thrown;
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
  };
}
