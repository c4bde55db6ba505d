import { isFinal, type RunStatus } from '../core/run.ts';
import type { Store } from '../store/store.ts';

/** Rung when a run ended or waits for a person, so that whoever waits looks; the payload is its id. */
const RUNS_CHANNEL = 'steward_runs';

/** What becomes of runs, told to who waits for one: at once in this process, soon in the others. */
export interface RunNews {
  tell(id: string, status: RunStatus): void;
  /** Something else of it changed that is worth a look. */
  wake(id: string): void;
  /** Called when a look is worth it: the run ended, or waits for a person, or nobody knows what was missed. */
  on(id: string, listener: () => void): () => void;
}

export function createRunNews(store: Pick<Store, 'listen' | 'ring'>): RunNews {
  const listeners = new Map<string, Set<() => void>>();
  let listening: (() => void) | undefined;

  const call = (id: string): void => {
    for (const listener of listeners.get(id) ?? []) listener();
  };

  const wake = (id: string): void => {
    store.ring(RUNS_CHANNEL, id);
    call(id);
  };

  return {
    wake,
    tell(id, status) {
      if (worthALook(status)) wake(id);
    },
    on(id, listener) {
      // For good: a channel that comes and goes costs two questions to the database each time.
      listening ??= store.listen(RUNS_CHANNEL, (payload) => {
        for (const known of payload === undefined ? listeners.keys() : [payload]) call(known);
      });
      const known = listeners.get(id) ?? new Set();
      listeners.set(id, known.add(listener));
      return () => {
        known.delete(listener);
        if (known.size === 0 && listeners.get(id) === known) listeners.delete(id);
      };
    },
  };
}

function worthALook(status: RunStatus): boolean {
  return isFinal(status) || status === 'waiting-approval';
}
