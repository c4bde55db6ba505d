import type { PortStatus } from '../../core/ports.ts';
import type { ProcessIdentity, ProgramsPort } from '../../core/ports/programs.ts';
import { endGroup } from './group.ts';
import { createMemoryWatch, DEFAULT_MEMORY, type MemoryLimits } from './memory-watch.ts';
import { type Manner, runProgram, streamProgram } from './run-program.ts';

/** What a run of an automation asks of the programs that it starts. */
export type ForRun = Pick<Manner, 'onEnd' | 'signal' | 'background'>;

export interface Programs extends ProgramsPort {
  status(): Promise<PortStatus>;
  /** The same port, with every child on record before it starts: one for each run. */
  recorded(onChild: NonNullable<Manner['onChild']>, forRun?: ForRun): ProgramsPort;
  /** Ends what is left of a recorded child, and nothing else; true where something was. */
  endGroup(child: ProcessIdentity): Promise<boolean>;
}

export interface ProgramsOptions {
  /** The environment that Steward was started with; of it, children get only what the allow-list names. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Asked at each start. */
  readonly memory?: (() => MemoryLimits) | undefined;
}

const INHERITED = ['PATH', 'HOME', 'LANG', 'LC_ALL', 'TZ', 'USER', 'LOGNAME', 'TMPDIR', 'XDG_RUNTIME_DIR'];
const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export function createPrograms({ environment, memory: limits = () => DEFAULT_MEMORY }: ProgramsOptions): Programs {
  const inherited: Record<string, string> = { PATH: DEFAULT_PATH };
  for (const name of INHERITED) {
    const value = environment[name];
    if (value) inherited[name] = value;
  }
  const memory = createMemoryWatch({ limits });
  const manner = (more: Partial<Manner> = {}): Manner => ({
    inherited,
    memory,
    memoryLimit: limits().perProgram,
    ...more,
  });
  return {
    run: (request) => runProgram(request, manner()),
    stream: (request, take) => streamProgram(request, take, manner()),
    recorded(onChild, forRun) {
      const forThis = (): Manner => manner({ ...forRun, onChild });
      return {
        run: (request) => runProgram(request, forThis()),
        stream: (request, take) => streamProgram(request, take, forThis()),
      };
    },
    endGroup,
    status: async () => ({ ok: true }),
  };
}
