import { StewardError } from '../core/errors.ts';
import { Leave } from './steps.ts';

/** The runs that this process works on, and the ways to stop them. */
export interface InFlight {
  readonly size: number;
  ids(): string[];
  /** Aborted when the node stops. */
  readonly leaving: AbortSignal;
  /** Two aborts: everything but the rollback, and the rollback too. */
  begin(runId: string): {
    readonly signal: AbortSignal;
    readonly leaving: AbortSignal;
    readonly abort: (reason: unknown) => void;
    end(): void;
  };
  cancel(runId: string, cancel: { readonly by: string; readonly reason: string }): void;
  /** The node stops: nothing that runs now is recorded as failed, and all of it goes on when the node is back. */
  leave(): void;
}

export function createInFlight(): InFlight {
  const running = new Map<string, AbortController>();
  const leaving = new AbortController();
  return {
    get size() {
      return running.size;
    },
    ids: () => [...running.keys()],
    leaving: leaving.signal,
    begin(runId) {
      const controller = new AbortController();
      running.set(runId, controller);
      return {
        signal: AbortSignal.any([controller.signal, leaving.signal]),
        leaving: leaving.signal,
        abort: (reason) => controller.abort(reason),
        end: () => void (running.get(runId) === controller && running.delete(runId)),
      };
    },
    cancel(runId, { by, reason }) {
      running.get(runId)?.abort(new StewardError('CANCELED', `Canceled by ${by}: ${reason}`));
    },
    leave: () => leaving.abort(new Leave()),
  };
}
