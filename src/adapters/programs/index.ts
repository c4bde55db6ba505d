import type { PortStatus } from '../../core/ports.ts';
import type { ProcessIdentity, ProgramsPort } from '../../core/ports/programs.ts';
import { endGroup } from './group.ts';
import { runProgram } from './run-program.ts';

/** Told of every child before its program starts; the program waits until this resolves, and never starts where it rejects. */
export type ChildRecorder = (child: ProcessIdentity) => Promise<void>;

export interface Programs extends ProgramsPort {
  status(): Promise<PortStatus>;
  /** The same port, with every child on record before it starts: one for each run. */
  recorded(onChild: ChildRecorder): ProgramsPort;
  /** Ends what is left of a recorded child's process group, and nothing else; true where something was. */
  endGroup(child: ProcessIdentity): Promise<boolean>;
}

export interface ProgramsOptions {
  /** The environment that Steward was started with; of it, children get only what the allow-list names. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly onChild?: ChildRecorder | undefined;
}

const INHERITED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'USER', 'LOGNAME', 'TMPDIR', 'XDG_RUNTIME_DIR'];
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function createPrograms({ environment, onChild }: ProgramsOptions): Programs {
  const inherited: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const name of INHERITED) {
    const value = environment[name];
    if (value) inherited[name] = value;
  }
  return {
    run: (request) => runProgram(request, inherited, onChild),
    recorded: (recorder) => ({ run: (request) => runProgram(request, inherited, recorder) }),
    endGroup,
    status: async () => ({ ok: true }),
  };
}
