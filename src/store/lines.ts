export interface Lines {
  /** Sets every idle line of these going; returns without waiting for any. One that is at work looks once more at its end. */
  go(names: Iterable<string>, signal: AbortSignal): void;
  /** Resolves when none is at work. */
  idle(): Promise<void>;
}

/** A line of work for each receiver of what is on record: one that hangs delays nobody else. */
export function createLines({
  work,
  onFailure,
}: {
  /** Takes one after the other until nothing is left to take. */
  readonly work: (name: string, signal: AbortSignal) => Promise<void>;
  readonly onFailure: (name: string, thrown: unknown) => void;
}): Lines {
  const lines = new Map<string, { again: boolean; done: Promise<void> }>();

  async function walk(name: string, line: { again: boolean }, signal: AbortSignal): Promise<void> {
    do {
      line.again = false;
      await work(name, signal);
    } while (line.again && !signal.aborted);
  }

  return {
    go(names, signal) {
      for (const name of names) {
        const running = lines.get(name);
        if (running) {
          running.again = true;
          continue;
        }
        const line = { again: false, done: Promise.resolve() };
        lines.set(name, line);
        line.done = walk(name, line, signal)
          .catch((thrown: unknown) => onFailure(name, thrown))
          .finally(() => lines.delete(name));
      }
    },
    async idle() {
      await Promise.all([...lines.values()].map(({ done }) => done));
    },
  };
}
