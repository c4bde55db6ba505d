import type { SourceDeps } from './deps.ts';
import type { Reaching } from './reaching.ts';
import type { Account } from './throw-away.ts';

export interface SqlDeps extends SourceDeps, Reaching {
  /** Who runs a throw-away server, where that is not Steward's own user: as root servers do not start. */
  readonly account: () => Promise<Account | undefined>;
  /** Folders with programs of the database; by default those where systems put them. */
  readonly folders?: (() => Promise<readonly string[]>) | undefined;
}
