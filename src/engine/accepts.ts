import type { Catalog } from '../core/catalog.ts';
import type { InFlight } from './in-flight.ts';
import type { RunRow } from './run-rows.ts';
import type { Runs } from './runs.ts';
import { Leave } from './steps.ts';

/** It has not begun, and is not to begin on this node as things are. */
export class NotNow extends Leave {
  constructor() {
    super();
    this.name = 'NotNow';
    this.message = 'The node drains; what has not begun there waits, or begins elsewhere.';
  }
}

export interface Accepts {
  /**
   * Whether this node begins the run, where it has not begun. A node that drains begins only what its own machine needs to get
   * well, and what a run that has begun here still has to do; no node begins what was planned by a version that it does not know.
   */
  (row: Pick<RunRow, 'automation' | 'version' | 'status' | 'stage' | 'trigger' | 'approval' | 'started_at'>): boolean;
}

export function createAccepts({
  draining,
  catalog,
}: {
  readonly draining: () => boolean;
  readonly catalog: () => Catalog;
}): Accepts {
  return (row) => {
    if (row.status !== 'queued') return true;
    const automation = catalog().automations.get(row.automation);
    if (!automation || automation.version < row.version) return false;
    if (!draining() || row.trigger === 'healing') return true;
    return row.stage === 'apply' && row.started_at !== null && row.approval === null;
  };
}

/** What waits here for its turn and is not to begin any more waits in the store instead, where another node may find it. */
export async function letWaitingGo(runs: Pick<Runs, 'db'>, inFlight: InFlight, accepts: Accepts): Promise<void> {
  const ids = inFlight.ids();
  if (ids.length === 0) return;
  const rows = await runs.db.selectFrom('runs').selectAll().where('id', 'in', ids).execute();
  const unwanted = new Set(rows.filter((row) => !accepts(row)).map(({ id }) => id));
  for (const flight of inFlight.flights())
    if (unwanted.has(flight.id) && flight.left() === undefined) flight.leave(new NotNow());
}
