import type { BackupSource } from '../../core/backup/source.ts';
import type { Exports } from '../../core/exports.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Log } from '../../core/log.ts';
import type { FitnessPort } from '../../core/ports/fitness.ts';
import type { RunService } from '../../core/run-service.ts';
import type { Store } from '../../store/store.ts';
import type { Measured } from './measured.ts';

export interface DatabaseSettings {
  readonly everyMs: number;
  readonly slowMs: number;
  /** Shares, 0 to 1. */
  readonly connections: number;
  readonly wraparound: number;
  readonly longTransactionMs: number;
  readonly lagMs: number;
  /** So many times faster than usual is told. */
  readonly growth: number;
  readonly unusedMs: number;
}

/** A time in which what locks may be done. */
export interface DatabaseWindow {
  readonly from: Date;
  readonly until: Date;
}

export interface DatabasesDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly sources: () => readonly BackupSource[];
  /** Looks only; what changes a database is a run. */
  readonly fitness: Pick<FitnessPort, 'look' | 'kinds'>;
  readonly runs: Pick<RunService, 'get' | 'start'>;
  readonly windows: {
    open(at: Date): DatabaseWindow | undefined;
    next(at: Date): Date | undefined;
    /** Whether a workflow maintains databases in it by its own schedule. */
    metBy(window: DatabaseWindow): boolean;
  };
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve' | 'unresolved'>;
  /** The server that holds a source, where the inventory knows it. */
  readonly serverOf: (source: BackupSource) => Promise<string | undefined>;
  readonly measured: Measured;
  readonly exports: Exports;
  readonly settings: () => DatabaseSettings;
  readonly keepMs: () => number;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
  readonly log: Log;
}
