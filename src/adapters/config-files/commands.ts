import type { ContainerInfo } from '../../core/ports/docker.ts';
import type { ProcessInfo } from '../../core/ports/processes.ts';
import { type Reader, readerOf } from './readable.ts';

/** A program that runs, and how its files are seen. */
export interface RunningProxy {
  readonly process: ProcessInfo;
  readonly args: readonly string[];
  readonly container: string | undefined;
  readonly reader: Reader;
}

/** The first process of each instance of a program: its parent is none of the same. */
export function runningProxies(
  executable: RegExp,
  processes: readonly ProcessInfo[],
  containers: readonly ContainerInfo[],
): RunningProxy[] {
  const same = processes.filter((process) => executable.test(process.executable.split('/').at(-1) ?? ''));
  const pids = new Set(same.map(({ pid }) => pid));
  const known = new Set(containers.map(({ id }) => id));
  return same
    .filter(({ parent }) => !pids.has(parent))
    .map((process) => ({
      process,
      args: argumentsOf(process),
      container: process.container !== undefined && known.has(process.container) ? process.container : undefined,
      reader: readerOf(process.pid, process.uid, process.container === undefined ? '' : `/proc/${process.pid}/root`),
    }));
}

/** Programs that write a title over their arguments leave them in it, as one text. */
function argumentsOf({ argv }: ProcessInfo): readonly string[] {
  const full = argv.filter((argument) => argument !== '');
  const [title = ''] = full;
  return full.length === 1 && title.includes(' ') ? title.split(/\s+/) : full;
}

/** The value behind one of the flags: `-c x`, `--config x`, `--config=x`. */
export function flag(args: readonly string[], ...names: readonly string[]): string | undefined {
  for (const [index, argument] of args.entries()) {
    if (names.includes(argument)) return args[index + 1];
    const [name = '', ...value] = argument.split('=');
    if (value.length > 0 && names.includes(name)) return value.join('=');
  }
  return undefined;
}
