import { randomBytes } from 'node:crypto';
import { lstat, mkdir, open, readdir, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { Exports } from '../../core/exports.ts';

/** Files for people below the home of Steward. */
export function createExports(home: string): Exports {
  const at = async (folder: string): Promise<string> => {
    const path = join(home, folder);
    await mkdir(path, { recursive: true, mode: 0o750 });
    return path;
  };
  const inPlace = async (folder: string, name: string, make: (path: string) => Promise<void>): Promise<string> => {
    if (name === '' || name.startsWith('.') || /[/\0]/.test(name))
      throw new StewardError('INTERNAL', `'${name}' is no name for a file.`);
    const path = join(home, folder, name);
    const partial = `${path}.${randomBytes(6).toString('hex')}.part`;
    try {
      await at(folder);
      await make(partial);
      await rename(partial, path);
    } catch (cause) {
      await rm(partial, { force: true }).catch(() => undefined);
      const { code, message } = cause as NodeJS.ErrnoException;
      throw new StewardError('UNAVAILABLE', `${path} cannot be written: ${code ?? message}.`, {
        hint: 'Make room or mend the permissions; the store has everything that belongs there.',
        cause,
      });
    }
    return path;
  };
  return {
    async write(folder, name, text) {
      return await inPlace(folder, name, async (path) => {
        await using file = await open(path, 'wx', 0o640);
        await file.writeFile(text);
        await file.sync();
      });
    },
    async link(folder, name, target) {
      await inPlace(folder, name, async (path) => await symlink(target, path));
    },
    async prune(folder, prefix, before) {
      const path = join(home, folder);
      const names = await readdir(path).catch((thrown: NodeJS.ErrnoException) => {
        // Nothing was written there yet.
        if (thrown.code === 'ENOENT') return [];
        throw thrown;
      });
      let removed = 0;
      for (const name of names) {
        if (!name.startsWith(prefix)) continue;
        const stats = await lstat(join(path, name)).catch(() => undefined);
        if (!stats?.isFile() || stats.mtime >= before) continue;
        await rm(join(path, name), { force: true });
        removed += 1;
      }
      return removed;
    },
  };
}
