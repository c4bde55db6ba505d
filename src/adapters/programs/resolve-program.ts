import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { StewardError } from '../../core/errors.ts';

/** The file that `program` means, as exec would find it. NOT_FOUND where there is none that can be run. */
export function resolveProgram(program: string, path: string, cwd: string): string {
  const candidates = program.includes('/')
    ? [resolve(cwd, program)]
    : path.split(delimiter).map((folder) => join(resolve(cwd, folder), program));
  const found = candidates.find(isProgram);
  if (found !== undefined) return found;
  throw new StewardError(
    'NOT_FOUND',
    `The program ${program} is not installed on this machine, or may not be run by this user.`,
    {
      hint: program.includes('/')
        ? 'Check the path and its permissions.'
        : `Install it, or add its folder to PATH (${path}).`,
    },
  );
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
