import type { Catalog } from '../core/catalog.ts';
import type { Handovers } from './handover.ts';
import type { Flight, InFlight } from './in-flight.ts';
import { TakenOver } from './ownership.ts';
import type { Persist } from './persist.ts';
import type { RunRow } from './run-rows.ts';
import type { Runs } from './runs.ts';
import type { Admission, Claim, Place } from './slots.ts';

interface WorkDeps {
  readonly runs: Runs;
  readonly persist: Persist;
  readonly inFlight: InFlight;
  readonly admission: Admission;
  readonly handovers: Handovers;
  readonly catalog: () => Catalog;
  /** Rows of runs that are about to begin, so that they are not read again. */
  readonly known: KnownRows;
  readonly nodeId: string;
  /** The run was let go of, and may be gone on with. */
  readonly onLeft: () => void;
}

const FRESH_MS = 50;

/** A run's row, for the workflow that it is about to begin. */
export interface KnownRows {
  put(row: RunRow): void;
  take(runId: string, epoch: number): RunRow | undefined;
}

export function createKnownRows(): KnownRows {
  const rows = new Map<string, RunRow>();
  return {
    put: (row) => void rows.set(row.id, row),
    take(runId, epoch) {
      const row = rows.get(runId);
      rows.delete(runId);
      return row?.epoch === epoch ? row : undefined;
    },
  };
}

/**
 * One workflow of a run on this node: waits for its place, works, gives the place back. What the run keeps for its other workflow
 * goes to that one without anybody in between.
 */
export function inItsPlace(
  { runs, persist, inFlight, admission, handovers, catalog, known, nodeId, onLeft }: WorkDeps,
  work: (runId: string) => Promise<void>,
): (runId: string, epoch: number) => Promise<void> {
  async function placeFor(row: RunRow, flight: Flight): Promise<Place | undefined> {
    const load = catalog().automations.get(row.automation)?.load ?? 'light';
    const waiting = shownReason(runs, row);
    try {
      const place = await admission.take(claimOf(row, load, waiting.show), flight.signal);
      await waiting.clear();
      return place;
    } catch (thrown) {
      if (flight.left() !== undefined) throw thrown;
      // Canceled while it waited: it ends without a place, because it does nothing.
      return undefined;
    }
  }

  return async (runId, epoch) => {
    // Before anything is waited for: whoever keeps something for it looks whether it was asked for.
    const handedOver = handovers.take(runId);
    const told = known.take(runId, epoch);
    const began = performance.now();
    const flight = inFlight.begin(runId, epoch);
    try {
      const kept = await handedOver;
      flight.place = kept?.place;
      flight.kept = kept?.hold;
      const row = told ?? (await persist(() => runs.row(runId)));
      if (!row || row.epoch !== epoch || row.node !== nodeId) {
        kept?.hold?.leave();
        throw new TakenOver();
      }
      if (!kept) flight.place = await placeFor(row, flight);
      // Where it waited, it may have been canceled meanwhile.
      if (performance.now() - began < FRESH_MS) flight.known = row;
      await work(runId);
    } finally {
      if (!(await handovers.give(runId, flight.place))) flight.place?.leave();
      flight.end();
      if (flight.left() !== undefined && !inFlight.leaving.aborted) onLeft();
    }
  };
}

/** Why a run does not begin, as its progress. */
function shownReason(
  { db, news }: Runs,
  { id, epoch }: RunRow,
): { show(reason: string): void; clear(): Promise<void> } {
  let last: Promise<void> | undefined;
  const write = async (progress: string | null): Promise<void> => {
    await db.updateTable('runs').set({ progress }).where('id', '=', id).where('epoch', '=', epoch).execute();
    news.wake(id);
  };
  const next = (progress: string | null): Promise<void> =>
    (last = (last ?? Promise.resolve()).then(() => write(progress)).catch(() => undefined));
  return {
    show: (message) => void next(JSON.stringify({ done: 0, message })),
    async clear() {
      if (last) await next(null);
    },
  };
}

/** What must not overlap waits for one another. */
function claimOf(row: RunRow, load: Claim['load'], told: NonNullable<Claim['told']>): Claim {
  return {
    load,
    what: `${row.automation} (${row.id})`,
    healing: row.trigger === 'healing',
    told,
    ...(row.effect !== 'read' && { partition: row.lock }),
  };
}
