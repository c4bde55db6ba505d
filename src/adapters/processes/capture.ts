import { existsSync, readFileSync } from 'node:fs';
import type { Capture } from '../../core/ports/processes.ts';
import type { ProcessIdentity } from '../../core/ports/programs.ts';
import { isAlive } from '../procfs/identity.ts';
import { linkProc } from '../procfs/read.ts';
import { readStat } from '../procfs/stat.ts';
import { readArguments, readExecutable, realIds } from './details.ts';

/** How to start the process again, as /proc tells it, with those of the variables named that it was started with. */
export function capture(identity: ProcessIdentity, variables: readonly string[]): Capture {
  const { pid } = identity;
  const stat = readStat(pid);
  if (!stat || !isAlive(identity)) return { unknown: 'gone' };
  const executable = readExecutable(pid);
  const cwd = linkProc(`/proc/${pid}/cwd`);
  const ids = realIds(pid);
  const argv = readArguments(pid);
  const environment = variables.length === 0 ? {} : readVariables(pid, variables);
  // Another process may have got the number while this one was read.
  if (!isAlive(identity)) return { unknown: 'gone' };
  if (stat.kernelThread || !executable || !cwd || !ids || !environment) return { unknown: 'unreadable' };
  if (argv.length === 0 || isTitle(argv, executable)) return { unknown: 'overwritten', ...ids, environment };
  return { recipe: { argv, executable, cwd, ...ids }, environment };
}

// A first argument with spaces that names no file, or one with nothing but padding behind it.
function isTitle(argv: readonly string[], executable: string): boolean {
  const first = argv[0] ?? '';
  if (first === '' || (argv.length > 1 && argv.slice(1).every((argument) => argument === ''))) return true;
  return /\s/.test(first) && first !== executable && !existsSync(first);
}

/** The kernel gives the block only as a whole; what was not asked for is wiped without being looked at. */
function readVariables(pid: number, names: readonly string[]): Record<string, string> | undefined {
  let block: Buffer;
  try {
    block = readFileSync(`/proc/${pid}/environ`);
  } catch {
    return undefined;
  }
  const found: Record<string, string> = {};
  for (const name of names) {
    const value = valueOf(block, name);
    if (value !== undefined) found[name] = value;
  }
  block.fill(0);
  return found;
}

function valueOf(block: Buffer, name: string): string | undefined {
  const wanted = Buffer.from(`${name}=`);
  for (let at = 0; at < block.length;) {
    const next = block.indexOf(0, at);
    const end = next < 0 ? block.length : next;
    if (block.subarray(at, at + wanted.length).equals(wanted)) return block.toString('utf8', at + wanted.length, end);
    at = end + 1;
  }
  return undefined;
}
