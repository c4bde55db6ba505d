import { StewardError } from '../core/errors.ts';
import type { Hold } from './locks.ts';
import type { RunRow } from './run-rows.ts';
import type { Place } from './slots.ts';
import { Leave } from './steps.ts';

/** A run, or a chain, in the hands of this process. */
export interface Flight {
  readonly id: string;
  readonly epoch: number;
  /** The locks that the workflow before kept for this one. */
  kept?: Hold | undefined;
  /** Where it works on this node; none where it waits for one, or ends without. */
  place?: Place | undefined;
  /** The run as it was a moment ago, for who would read it next. */
  known?: RunRow | undefined;
  /** As it was read last. */
  seen?: RunRow | undefined;
  /** Aborted by whatever ends its work: cancel, deadline, a lost lock, and everything that aborts the other one. */
  readonly signal: AbortSignal;
  /** Ends the rollback too: this process has nothing more to do with it. */
  readonly leaving: AbortSignal;
  abort(reason: unknown): void;
  /** This process lets go of it, and records nothing of what it was about to do. */
  leave(reason: Leave): void;
  /** Why this process let go of it. */
  left(): Leave | undefined;
  end(): void;
}

/** What this process works on, and the ways to stop it. */
export interface InFlight {
  readonly size: number;
  ids(): string[];
  flights(): Flight[];
  /** The one that began last with that id. */
  get(id: string): Flight | undefined;
  /** Aborted when the node stops. */
  readonly leaving: AbortSignal;
  begin(id: string, epoch: number): Flight;
  cancel(id: string, cancel: { readonly by: string; readonly reason: string }): void;
  /** The node stops: nothing that runs now is recorded as failed, and all of it goes on when the node is back. */
  leave(): void;
}

export function createInFlight(): InFlight {
  const running = new Set<Flight>();
  const leaving = new AbortController();
  const of = (id: string): Flight[] => [...running].filter((flight) => flight.id === id);
  return {
    get size() {
      return running.size;
    },
    ids: () => [...new Set([...running].map(({ id }) => id))],
    flights: () => [...running],
    get: (id) => of(id).at(-1),
    leaving: leaving.signal,
    begin(id, epoch) {
      const stopping = new AbortController();
      const letting = new AbortController();
      const gone = AbortSignal.any([letting.signal, leaving.signal]);
      const flight: Flight = {
        id,
        epoch,
        signal: AbortSignal.any([stopping.signal, gone]),
        leaving: gone,
        abort: (reason) => stopping.abort(reason),
        leave: (reason) => letting.abort(reason),
        left: () => (gone.aborted ? (gone.reason as Leave) : undefined),
        end: () => void running.delete(flight),
      };
      running.add(flight);
      return flight;
    },
    cancel(id, { by, reason }) {
      for (const flight of of(id)) flight.abort(new StewardError('CANCELED', `Canceled by ${by}: ${reason}`));
    },
    leave: () => leaving.abort(new Leave()),
  };
}
