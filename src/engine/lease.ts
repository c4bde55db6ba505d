import { uptime } from 'node:os';

const KEEP_UPTIME_MS = 100;

/** How long this node may still act without asking: the others take over what it does once they have not heard of it for long enough. */
export interface NodeLease {
  /** Before this node says that it lives; what it gives is called once the store has heard it. */
  speak(): () => void;
  /** False where others may think this node gone: whoever is about to act asks the store first. */
  fresh(): boolean;
}

/**
 * Counted from before the beat was sent, by clocks that go on while the process is stopped and while the machine sleeps, so that
 * a process that was frozen knows at its very next look, whatever its timers have not told it yet.
 */
export function createLease({
  ms,
  clocks = [() => performance.now(), createUptime()],
}: {
  /** Infinity where nobody else could take anything over. */
  readonly ms: number;
  readonly clocks?: readonly (() => number)[] | undefined;
}): NodeLease {
  const read = (): number[] => clocks.map((clock) => clock());
  let heard = read();
  return {
    speak() {
      const sent = read();
      return () => {
        heard = sent;
      };
    },
    fresh: () => ms === Infinity || read().every((at, index) => at - (heard[index] ?? at) < ms),
  };
}

/** Time since the machine started, asleep or awake. Asking the system costs more than the steps of a run that ask for it can bear. */
function createUptime(): () => number {
  let read = { at: -Infinity, uptime: 0 };
  return () => {
    const at = performance.now();
    if (at - read.at > KEEP_UPTIME_MS) read = { at, uptime: uptime() * 1000 };
    return read.uptime;
  };
}
