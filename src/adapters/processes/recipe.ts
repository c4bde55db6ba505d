import { existsSync } from 'node:fs';
import type { LaunchRecipe } from '../../core/resource.ts';
import { linkProc } from '../procfs/read.ts';
import { readStat } from '../procfs/stat.ts';
import { readArguments, readExecutable, realIds } from './details.ts';

/**
 * How to start the process again, as /proc tells it. Undefined for threads of the kernel, for what this user may not
 * read, and for programs that wrote a title over their arguments (nginx, redis-server, sshd): a guess at the lost
 * arguments could start the wrong thing.
 */
export function readRecipe(pid: number): LaunchRecipe | undefined {
  const stat = readStat(pid);
  if (!stat || stat.kernelThread || stat.state === 'Z') return undefined;
  const executable = readExecutable(pid);
  const cwd = linkProc(`/proc/${pid}/cwd`);
  const ids = realIds(pid);
  const argv = readArguments(pid);
  if (!executable || !cwd || !ids || argv.length === 0 || isTitle(argv, executable)) return undefined;
  return { argv, executable, cwd, ...ids };
}

// A first argument with spaces that names no file, or one with nothing but padding behind it.
function isTitle(argv: readonly string[], executable: string): boolean {
  const first = argv[0] ?? '';
  if (first === '' || (argv.length > 1 && argv.slice(1).every((argument) => argument === ''))) return true;
  return /\s/.test(first) && first !== executable && !existsSync(first);
}
