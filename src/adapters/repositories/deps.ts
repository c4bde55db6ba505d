import type { Outbound } from '../outbound/outbound.ts';
import type { Log } from '../../core/log.ts';
import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { SecretResolver } from '../../core/secrets.ts';

/** What a repository is given of the outside. */
export interface StoreDeps {
  readonly programs: ProgramsPort;
  readonly secrets: SecretResolver;
  readonly outbound: Pick<Outbound, 'request'>;
  /** $STEWARD_HOME: keys that Steward made, and which places it made. */
  readonly home: string;
  readonly now: () => Date;
  /** Who writes, when others share the place. */
  readonly node: string;
  readonly log: Log;
}
