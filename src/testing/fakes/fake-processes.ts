import { StewardError } from '../../core/errors.ts';
import type { ProcessesPort, ProcessInfo } from '../../core/ports/processes.ts';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import type { LaunchRecipe } from '../../core/resource.ts';

export interface FakeProcesses extends ProcessesPort {
  /** A new process; what is not given is made up. */
  start(argv: readonly string[], details?: Partial<ProcessInfo>): ProcessInfo;
  /** It ends, whoever did it. */
  end(pid: number): void;
  /** SIGSTOP: it is there and does nothing. */
  freeze(pid: number): void;
  change(pid: number, details: Partial<ProcessInfo>): void;
  /** What it was started with. */
  give(pid: number, environment: Readonly<Record<string, string>>): void;
  /** It writes a title over its arguments. */
  overwrite(pid: number): void;
  /** What launches do: work, be refused, or end at once. */
  onLaunch(behavior: 'works' | 'refused' | 'ends'): void;
  /** Called with every launched process: to let it listen again. */
  whenLaunched(listener: (process: ProcessInfo) => void): void;
  readonly launches: readonly {
    readonly recipe: LaunchRecipe;
    readonly env: Readonly<Record<string, string>>;
    readonly outputPath: string;
    readonly identity: ProcessIdentity;
  }[];
  readonly signals: readonly { readonly pid: number; readonly signal: string }[];
}

export const FAKE_BOOT = '00000000-0000-4000-8000-000000000001';

/** Processes in memory: pids go up, start times differ, a signal to one that is gone answers false. */
export function fakeProcesses(options: { readonly now?: () => Date } = {}): FakeProcesses {
  const now = options.now ?? (() => new Date());
  const held = new Map<number, ProcessInfo>();
  const launches: {
    recipe: LaunchRecipe;
    env: Readonly<Record<string, string>>;
    outputPath: string;
    identity: ProcessIdentity;
  }[] = [];
  const environments = new Map<number, Readonly<Record<string, string>>>();
  const titled = new Set<number>();
  const signals: { pid: number; signal: string }[] = [];
  const listeners: ((process: ProcessInfo) => void)[] = [];
  let behavior: 'works' | 'refused' | 'ends' = 'works';
  let lastPid = 1000;
  let ticks = 5000;

  function start(argv: readonly string[], details: Partial<ProcessInfo> = {}): ProcessInfo {
    const pid = details.pid ?? ++lastPid;
    const info: ProcessInfo = {
      pid,
      startTicks: ++ticks,
      bootId: FAKE_BOOT,
      parent: 1,
      uid: 0,
      user: 'root',
      executable: argv[0] ?? '/bin/true',
      argv,
      cwd: '/',
      state: 'S',
      residentBytes: 8 * 1024 * 1024,
      cpuSeconds: 0,
      startedAt: now(),
      unit: undefined,
      container: undefined,
      ...details,
    };
    held.set(pid, info);
    return info;
  }

  function change(pid: number, details: Partial<ProcessInfo>): void {
    const info = held.get(pid);
    if (!info) throw new StewardError('NOT_FOUND', `There is no process ${pid}.`);
    held.set(pid, { ...info, ...details });
  }

  return {
    launches,
    signals,

    async list() {
      return [...held.values()];
    },

    async get(pid) {
      return held.get(pid);
    },

    async signal(identity, signal) {
      const info = held.get(identity.pid);
      if (info?.startTicks !== identity.startTicks || info.bootId !== identity.bootId) return false;
      signals.push({ pid: identity.pid, signal });
      // A stopped process gets SIGTERM only once it goes on.
      if (signal === 'SIGKILL' || (signal === 'SIGTERM' && info.state !== 'T')) held.delete(identity.pid);
      if (signal === 'SIGCONT') change(identity.pid, { state: 'S' });
      return true;
    },

    async capture({ pid, startTicks }, variables) {
      const info = held.get(pid);
      if (!info?.cwd || info.startTicks !== startTicks) return { unknown: 'gone' };
      const set = Object.entries(environments.get(pid) ?? {});
      const environment = Object.fromEntries(set.filter(([name]) => variables.includes(name)));
      const { argv, executable, cwd, uid } = info;
      if (titled.has(pid)) return { unknown: 'overwritten', uid, gid: uid, environment };
      return { recipe: { argv: [...argv], executable, cwd, uid, gid: uid }, environment };
    },

    async launch(recipe, { env, outputPath }) {
      if (behavior === 'refused') {
        throw new StewardError('PROGRAM_FAILED', `${recipe.executable} could not be started: it ended before it ran.`, {
          hint: `Its output is in ${outputPath}.`,
        });
      }
      const info = start(recipe.argv, { executable: recipe.executable, cwd: recipe.cwd, uid: recipe.uid });
      const identity = { pid: info.pid, startTicks: info.startTicks, bootId: info.bootId };
      environments.set(info.pid, env);
      launches.push({ recipe, env, outputPath, identity });
      if (behavior === 'ends') held.delete(info.pid);
      else for (const listener of listeners) listener(info);
      return identity;
    },

    start,
    end: (pid) => void held.delete(pid),
    freeze: (pid) => change(pid, { state: 'T' }),
    change,
    give: (pid, environment) => void environments.set(pid, environment),
    overwrite: (pid) => void titled.add(pid),
    onLaunch(next) {
      behavior = next;
    },
    whenLaunched: (listener) => void listeners.push(listener),
  };
}
