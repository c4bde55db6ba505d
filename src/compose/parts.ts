import type { Environment } from '../config/environment.ts';
import type { Config } from '../config/schema.ts';
import type { ConfigService } from '../config/watch.ts';
import type { Log } from '../core/log.ts';
import type { Store } from '../store/store.ts';
import type { Page } from '../surfaces/page/index.ts';
import type { OwnLog } from '../systems/logs/deps.ts';
import type { World } from './world.ts';

export interface Parts {
  readonly version: string;
  readonly node: { readonly id: string; readonly name: string };
  readonly home: string;
  readonly environment: Environment;
  readonly config: Pick<ConfigService, 'current' | 'rejected' | 'subscribe'>;
  readonly store: Store;
  readonly auditKey: Buffer;
  /** Seals what must not be readable in the database. */
  readonly vaultKey: Buffer;
  readonly osUser: string;
  /** Pids of Steward and of the PostgreSQL it brings: not discovered. */
  readonly ownPids: () => readonly number[];
  readonly page?: Page | undefined;
  readonly log: Log;
  /** What the log said last; nothing where nobody keeps it. */
  readonly ownLog?: OwnLog | undefined;
  readonly now: () => Date;
  /** Somebody removed this node from its store: it has to end. */
  readonly onRemoved?: (() => void) | undefined;
}

/** What every room of the composition starts from. */
export interface Base extends Parts {
  /** As they are now: they may change while Steward runs. */
  readonly settings: () => Config;
  readonly world: World;
}
