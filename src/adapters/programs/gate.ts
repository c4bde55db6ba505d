import type { Writable } from 'node:stream';
import { childMark, CHILD_VARIABLE } from './group.ts';
import type { ProcessIdentity } from '../../core/ports/programs.ts';

/**
 * Holds a child before its program: a fixed script waits for a line on descriptor 3 and becomes the program, under the
 * same process id. Where Steward dies first the line never comes, the pipe closes, and the program never starts.
 * Program and arguments are positional parameters, so that nothing in them is ever read as shell.
 */
const SCRIPT = `read -r ${CHILD_VARIABLE} <&3 || exit 125; exec 3<&-; export ${CHILD_VARIABLE}; exec "$@"`;

export function gated(
  program: string,
  args: readonly string[],
): { readonly file: string; readonly args: readonly string[] } {
  return { file: '/bin/sh', args: ['-c', SCRIPT, 'steward-gate', program, ...args] };
}

export function openGate(pipe: Writable, identity: ProcessIdentity): void {
  pipe.end(`${childMark(identity)}\n`);
}
