import { StewardError } from '../core/errors.ts';
import type { Children } from './children.ts';
import type { InFlight } from './in-flight.ts';
import type { Runs } from './runs.ts';
import { Leave } from './steps.ts';

/** The run, or the chain, is another's by now: this process records nothing more of it and takes nothing back. */
export class TakenOver extends Leave {
  constructor() {
    super();
    this.name = 'TakenOver';
    this.message = 'Another process has taken it over.';
  }
}

/** This node could not say for so long that it lives that others may think it gone; what it did continues once it is heard again. */
export class Unheard extends Leave {
  constructor() {
    super();
    this.name = 'Unheard';
    this.message = 'The database was away for longer than the lease of this node.';
  }
}

export const leaseLost = (runId: string): StewardError =>
  new StewardError('LEASE_LOST', `Run ${runId} was taken over by another node.`, {
    hint: 'The node was silent for too long; see its log.',
  });

/** Writes to a run as its owner of that epoch; TakenOver where it has another by now, and then nothing is written. */
export function ownedRuns(runs: Runs, epoch: number): Pick<Runs, 'move' | 'patch'> {
  const mine = (row: { readonly epoch: number }): void => {
    if (row.epoch !== epoch) throw new TakenOver();
  };
  return {
    async move(id, transition) {
      const moved = await runs.move(id, {
        ...transition,
        async also(trx, row) {
          // Inside of the transaction, which holds the row: what is thrown here undoes it.
          mine(row);
          await transition.also?.(trx, row);
        },
      });
      mine(moved.row);
      return moved;
    },
    async patch(id, patch) {
      const { numUpdatedRows } = await runs.db
        .updateTable('runs')
        .set(patch)
        .where('id', '=', id)
        .where('epoch', '=', epoch)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw new TakenOver();
    },
  };
}

/** Writes to what this process has in hand as its owner, and to anything else as anybody. */
export function guardedRuns(runs: Runs, inFlight: Pick<InFlight, 'get'>, children: Pick<Children, 'endOwn'>): Runs {
  async function write<T>(id: string, how: (as: Pick<Runs, 'move' | 'patch'>) => Promise<T>): Promise<T> {
    const flight = inFlight.get(id);
    if (!flight) return await how(runs);
    try {
      return await how(ownedRuns(runs, flight.epoch));
    } catch (thrown) {
      if (thrown instanceof TakenOver) {
        if (flight.left() === undefined) flight.leave(thrown);
        await children.endOwn(id).catch(() => undefined);
      }
      throw thrown;
    }
  }
  return {
    ...runs,
    async row(id) {
      const flight = inFlight.get(id);
      const { known } = flight ?? {};
      if (flight) flight.known = undefined;
      const row = known ?? (await runs.row(id));
      if (flight) flight.seen = row;
      return row;
    },
    async move(id, transition) {
      const { seen, epoch } = inFlight.get(id) ?? {};
      const begins = transition.to === 'planning' || transition.to === 'running' ? transition.to : undefined;
      if (begins && !transition.patch && seen?.status === 'queued' && seen.epoch === epoch) {
        const begun = await runs.begin(seen, begins);
        if (begun) return begun;
      }
      const fresh = seen && seen.epoch === epoch ? { ...transition, seen } : transition;
      const moved = await write(id, (as) => as.move(id, fresh));
      const flight = inFlight.get(id);
      if (flight) flight.seen = moved.row;
      // Whoever planned it looks next whether it goes on.
      if (flight && moved.row.status === 'queued') flight.known = moved.row;
      return moved;
    },
    patch: (id, patch) => write(id, (as) => as.patch(id, patch)),
  };
}
