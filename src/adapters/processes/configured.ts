import { accessSync, constants, readFileSync, realpathSync } from 'node:fs';
import { basename, isAbsolute } from 'node:path';
import type { LaunchRecipe } from '../../core/resource.ts';

/** How a program is started, as a person wrote it down. */
export interface WrittenLaunch {
  readonly argv: readonly string[];
  readonly cwd?: string | undefined;
  /** A name, or uid:gid. */
  readonly user?: string | undefined;
}

export interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** The recipe that the words mean on this machine, or what is wrong with them. `seen` is who ran it so far. */
export function configuredRecipe(
  { argv, cwd = '/', user }: WrittenLaunch,
  seen: Ids | undefined,
): { readonly recipe: LaunchRecipe } | { readonly problem: string } {
  const [program = ''] = argv;
  if (!isAbsolute(program)) return { problem: `launch.argv begins with ${program}, which is no absolute path.` };
  let executable: string;
  try {
    executable = realpathSync(program);
    accessSync(executable, constants.X_OK);
  } catch {
    return { problem: `launch.argv names ${program}, which is not there or is no program.` };
  }
  const ids = user === undefined ? (seen ?? ownIds()) : idsOf(user);
  if (!ids) {
    return {
      problem:
        user === undefined
          ? `launch does not say as whom ${basename(program)} runs, and Steward has not seen it run. Add user to it.`
          : `launch.user names ${user}, whom this machine does not know. Give a user of it, or uid:gid.`,
    };
  }
  return { recipe: { argv: [...argv], executable, cwd, ...ids } };
}

/** Nobody becomes root because a line is missing. */
function ownIds(): Ids | undefined {
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  return uid === undefined || gid === undefined || uid === 0 ? undefined : { uid, gid };
}

function idsOf(user: string): Ids | undefined {
  const numbers = /^(\d{1,10}):(\d{1,10})$/.exec(user);
  if (numbers) return { uid: Number(numbers[1]), gid: Number(numbers[2]) };
  for (const line of readFileSync('/etc/passwd', 'utf8').split('\n')) {
    const [name, , uid, gid] = line.split(':');
    if (name === user && uid && gid) return { uid: Number(uid), gid: Number(gid) };
  }
  return undefined;
}
