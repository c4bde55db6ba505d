import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { SecretResolver } from '../../core/secrets.ts';

/** What the engines of databases work with. */
export interface EngineDeps {
  readonly secrets: SecretResolver;
  /** How long a task waits for a lock before it gives up with LOCKED. */
  readonly lockMs: () => number;
  readonly programs: ProgramsPort;
  /** A folder of Steward's own for what is needed only for a while. */
  readonly scratch: string;
  readonly now: () => Date;
}
