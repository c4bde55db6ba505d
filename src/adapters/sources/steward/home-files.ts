import { copyFile, chmod, constants, mkdir, readdir, stat, utimes } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { errnoOf } from '../../files/file-errors.ts';

/** What of a home goes into a copy: paths from there. */
export interface HomeFiles {
  readonly state: readonly string[];
  /** Whoever has these can read what is sealed, write records that look genuine, or act as Steward. */
  readonly keys: readonly string[];
}

/** Of one machine and one life: made anew by the next Steward. */
const PASSING =
  /^(pg|scratch|cache|launched|server\.json|setup-link|cli-token|agent-token|created-(system|scratch)-user\.json|boots|restoring\.json|lock\..*|\..*|.*\.tmp)$/;
const SECRET = /(\.key($|\.)|^backup-keys$|token|password|secret|credential|^database-url$)/;

/** Everything that is not known to be passing is state, so that what a later version keeps is not forgotten. */
export async function homeFiles(home: string, never: readonly string[]): Promise<HomeFiles> {
  const files = { state: [] as string[], keys: [] as string[] };
  const isRoot = (path: string): boolean => path === home;
  async function walk(folder: string, secret: boolean): Promise<void> {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(ifGone)) {
      const path = join(folder, entry.name);
      if ((isRoot(folder) && PASSING.test(entry.name)) || never.includes(path)) continue;
      const sealed = secret || (isRoot(folder) && SECRET.test(entry.name));
      if (entry.isDirectory()) await walk(path, sealed);
      else if (entry.isFile() && !entry.name.startsWith('.'))
        files[sealed ? 'keys' : 'state'].push(relative(home, path));
    }
  }
  await walk(home, false);
  return { state: files.state.toSorted(), keys: files.keys.toSorted() };
}

/** The keys alone, for whoever keeps them elsewhere; those of repositories are told by themselves. */
export async function keyFiles(home: string): Promise<string[]> {
  const entries = await readdir(home, { withFileTypes: true }).catch(ifGone);
  return entries
    .filter((entry) => entry.isFile() && SECRET.test(entry.name) && !PASSING.test(entry.name))
    .map(({ name }) => name)
    .toSorted();
}

/** One file with its mode and time; false where it went meanwhile. */
export async function takeFile(from: string, to: string): Promise<boolean> {
  try {
    const { mode, atime, mtime } = await stat(from);
    await mkdir(dirname(to), { recursive: true, mode: 0o700 });
    await copyFile(from, to, constants.COPYFILE_FICLONE);
    await chmod(to, mode & 0o777);
    await utimes(to, atime, mtime);
    return true;
  } catch (thrown) {
    if (errnoOf(thrown) === 'ENOENT') return false;
    throw thrown;
  }
}

function ifGone(thrown: unknown): [] {
  if (errnoOf(thrown) === 'ENOENT') return [];
  throw thrown;
}
