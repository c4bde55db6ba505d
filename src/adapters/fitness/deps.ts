import type { ProgramsPort } from '../../core/ports/programs.ts';
import type { MachineOf } from './machine.ts';
import type { Reaching } from '../sources/reaching.ts';

/** What the engines of databases work with. */
export interface EngineDeps extends Reaching {
  /** How long a task waits for a lock before it gives up with LOCKED. */
  readonly lockMs: () => number;
  readonly programs: ProgramsPort;
  /** A folder of Steward's own for what is needed only for a while. */
  readonly scratch: string;
  readonly now: () => Date;
  /** What a server has of this machine; left out where nobody asks for advice. */
  readonly machineOf?: MachineOf | undefined;
}
