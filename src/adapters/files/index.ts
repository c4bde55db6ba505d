import { constants } from 'node:fs';
import { access, lstat, open, rmdir, statfs, unlink } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { PortStatus } from '../../core/ports.ts';
import type { FilesPort } from '../../core/ports/files.ts';
import { errnoOf, fileError } from './file-errors.ts';
import { entriesOf, toFileInfo } from './file-info.ts';
import { move } from './move.ts';
import { findOpenPaths } from './open-paths.ts';
import { createRoots, makeFolders } from './roots.ts';
import { walk } from './walk.ts';

export interface Files extends FilesPort {
  status(): Promise<PortStatus>;
}

export interface FilesOptions {
  /** Folders that Steward may look into and change; nothing else is ever touched. */
  readonly roots: readonly string[];
}

export function createFiles(options: FilesOptions): Files {
  const roots = createRoots(options.roots);

  return {
    async status() {
      return access('/proc/self/fd').then(
        () => ({ ok: true }),
        () => ({ ok: false, reason: 'Files are handled through /proc/self/fd, which this machine does not have.' }),
      );
    },

    roots: () => roots.paths,

    async stat(path) {
      try {
        if (roots.isRoot(path))
          return await roots.within(path, async ({ handle }) => toFileInfo(path, await handle.stat()));
        return await roots.around(path, async (folder, name) => toFileInfo(path, await lstat(folder.entry(name))));
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw fileError(`Looking at ${path}`, error);
      }
    },

    async list(path) {
      try {
        return await roots.within(path, async (folder) => (await entriesOf(folder, path)).entries);
      } catch (error) {
        throw fileError(`Listing ${path}`, error);
      }
    },

    async walk(path, walking) {
      try {
        return await walk(roots, path, walking);
      } catch (error) {
        throw fileError(`Looking through ${path}`, error);
      }
    },

    async read(path, { maxBytes }) {
      try {
        return await roots.around(path, async (folder, name) => {
          // NONBLOCK: opening a named pipe would wait for somebody to write into it.
          await using file = await open(
            folder.entry(name),
            constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
          );
          const stats = await file.stat();
          if (!stats.isFile()) throw new StewardError('PRECONDITION_FAILED', `${path} is not a file.`);
          // Files of /proc say 0 bytes and hold more.
          const buffer = Buffer.alloc(Math.min(maxBytes, Math.max(stats.size, 65_536)));
          let at = 0;
          for (let read = -1; read !== 0 && at < buffer.length; at += read)
            read = (await file.read(buffer, at, buffer.length - at)).bytesRead;
          return buffer.toString('utf8', 0, at);
        });
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw fileError(`Reading ${path}`, error);
      }
    },

    openPaths: findOpenPaths,

    async move(from, to) {
      try {
        await move(roots, from, to);
      } catch (error) {
        throw fileError(`Moving ${from} to ${to}`, error);
      }
    },

    makeDirectory: async (path) => {
      try {
        await makeFolders(roots, path);
      } catch (error) {
        throw fileError(`Making ${path}`, error);
      }
    },

    async remove(path, inode) {
      try {
        return await roots.around(path, async (folder, name) => {
          const entry = folder.entry(name);
          const stats = await lstat(entry);
          if (stats.ino !== inode) return false;
          await (stats.isDirectory() ? rmdir(entry) : unlink(entry));
          return true;
        });
      } catch (error) {
        if (isMissing(error)) return false;
        if (errnoOf(error) === 'ENOTEMPTY')
          throw new StewardError('PRECONDITION_FAILED', `The folder ${path} is not empty.`, { cause: error });
        throw fileError(`Removing ${path}`, error);
      }
    },

    async freeBytes(path) {
      for (let at = path; ; at = dirname(at)) {
        try {
          // Where a folder is yet to be made, the disk is that of the nearest one above.
          const space = await roots.within(at, ({ self }) => statfs(self));
          return {
            freeBytes: space.bavail * space.bsize,
            totalBytes: space.blocks * space.bsize,
            freeInodes: space.ffree,
          };
        } catch (error) {
          const above = isMissing(error) || errnoOf(error) === 'ENOTDIR';
          if (!above || roots.isRoot(at)) throw fileError(`Looking at the disk of ${path}`, error);
        }
      }
    },
  };
}

function isMissing(error: unknown): boolean {
  return errnoOf(error) === 'ENOENT' || (error instanceof StewardError && error.code === 'NOT_FOUND');
}
