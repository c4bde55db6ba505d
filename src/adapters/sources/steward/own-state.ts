import type { LayerResult } from '../../../core/backup/copy.ts';
import type { SourceDeps } from '../deps.ts';
import type { PgAccess } from '../postgres/access.ts';
import type { Account } from '../throw-away.ts';

/** Steward's own PostgreSQL, where it runs one. */
export interface OwnStore {
  readonly access: PgAccess;
  readonly data: string;
  /** The program of this version, which another user may run. */
  readonly program: string;
  readonly version: string;
}

/** A restored store that answers, for whoever knows what Steward keeps there. */
export interface RestoredState {
  readonly access: PgAccess;
  /** Folders with the files of a home, and with its keys. */
  readonly home: string;
  readonly keys: string;
}

/** What this Steward has of its own, as the composition knows it. */
export interface OwnState {
  readonly home: string;
  /** Where its configuration is; there may be none. */
  configuration(): string;
  /** Paths below the home that are no state: repositories, what is needed for a while. */
  never(): readonly string[];
  /** Undefined where the store is a PostgreSQL of the operator's, which is a source of its own. */
  store(): Promise<OwnStore | undefined>;
  /** Whether the keys open what is sealed in the store, and the record is the one that was written. */
  opens(restored: RestoredState): Promise<Pick<LayerResult, 'ok' | 'statement' | 'evidence'>>;
}

export interface StewardDeps extends SourceDeps {
  readonly own: OwnState;
  /** Who runs a throw-away server, where that is not Steward's own user. */
  readonly account: () => Promise<Account | undefined>;
}
