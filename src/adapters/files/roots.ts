import { constants } from 'node:fs';
import { type FileHandle, mkdir, open, readlink, realpath } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import { errnoOf, fileError } from './file-errors.ts';

/**
 * An open folder. `entry(name)` is a path through its descriptor, so that what is done to it happens in this very folder,
 * also where somebody meanwhile puts a link in the place of a folder on the way: in /tmp anyone may.
 */
export interface PinnedFolder {
  readonly handle: FileHandle;
  readonly real: string;
  readonly self: string;
  entry(name: string): string;
}

export interface Roots {
  readonly paths: readonly string[];
  /** Opens the folder and checks that it is below a root with no link on the way; closes it when `use` is done. */
  within<T>(path: string, use: (folder: PinnedFolder) => Promise<T>): Promise<T>;
  /** The same for the folder that holds `path`. For a root itself, that folder is not below a root: FORBIDDEN. */
  around<T>(path: string, use: (folder: PinnedFolder, name: string) => Promise<T>): Promise<T>;
  /** Whether it is one of the roots as configured. */
  isRoot(path: string): boolean;
}

export function createRoots(configured: readonly string[]): Roots {
  const paths = configured.map((path) => {
    if (!isAbsolute(path))
      throw new StewardError('CONFIG_INVALID', `The root ${path} is not an absolute path.`, { hint: 'Example: /tmp' });
    return resolve(path);
  });

  async function within<T>(path: string, use: (folder: PinnedFolder) => Promise<T>): Promise<T> {
    const asked = clean(path);
    const root = paths.find((one) => isBelow(asked, one));
    // Said before anything is opened: whether a path outside exists is nobody's business.
    if (root === undefined) throw outside(path, paths);
    const handle = await open(asked, constants.O_RDONLY | constants.O_DIRECTORY);
    try {
      const self = `/proc/self/fd/${handle.fd}`;
      const real = await readlink(self);
      // A root may itself be a link; below it none is followed, not even to another place in the root.
      if (real !== join(await realpath(root), relative(root, asked))) throw throughLink(path, real);
      return await use({ handle, real, self, entry: (name) => `${self}/${name}` });
    } finally {
      await handle.close();
    }
  }

  return {
    paths,
    within,
    isRoot: (path) => paths.includes(clean(path)),
    around(path, use) {
      const asked = clean(path);
      return within(dirname(asked), (folder) => use(folder, basename(asked)));
    },
  };
}

/** Makes a folder and those above it, up to the root, for Steward's user only. */
export async function makeFolders(roots: Roots, path: string): Promise<void> {
  if (roots.isRoot(path)) {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return;
  }
  const make = () =>
    roots.around(path, async (folder, name) => {
      try {
        await mkdir(folder.entry(name), { mode: 0o700 });
      } catch (error) {
        if (errnoOf(error) !== 'EEXIST') throw error;
        // Fails where it is a file, or a link that leads out.
        await roots.within(path, async () => {});
      }
    });
  try {
    await make();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw fileError(`Making ${path}`, error);
    await makeFolders(roots, dirname(resolve(path)));
    await make();
  }
}

function clean(path: string): string {
  if (!isAbsolute(path) || path.includes('\0'))
    throw new StewardError('INPUT_INVALID', `${JSON.stringify(path)} is not an absolute path.`);
  return resolve(path);
}

function isBelow(path: string, root: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

function outside(path: string, paths: readonly string[]): StewardError {
  return new StewardError('FORBIDDEN', `${path} is not below a folder that Steward may use.`, {
    hint:
      paths.length > 0
        ? `Allowed are ${paths.join(', ')}; the configuration can add others.`
        : 'The configuration allows none so far.',
  });
}

function throughLink(path: string, real: string): StewardError {
  return new StewardError('FORBIDDEN', `${path} leads over a link to ${real}; links below a root are not followed.`, {
    hint: 'Use the path it leads to, where that is below a root.',
  });
}
