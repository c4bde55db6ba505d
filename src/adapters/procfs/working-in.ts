import { realpathSync } from 'node:fs';
import { linkProc, processIds } from './read.ts';

/** Whose working folder lies below this one, as far as this user may see it. */
export function workingIn(folder: string): number[] {
  let real: string;
  try {
    real = realpathSync(folder);
  } catch {
    return [];
  }
  return processIds().filter((pid) => linkProc(`/proc/${pid}/cwd`)?.startsWith(`${real}/`));
}
