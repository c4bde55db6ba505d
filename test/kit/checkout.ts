import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { chown, copyFile, link, mkdir, readdir, readlink, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const RUNTIME = ['bin', 'edge', 'src', 'package.json', 'package-lock.json'];

/**
 * What a clone of this checkout is after its packages were installed, in a folder that only its owner may enter. The
 * packages' files are linked instead of copied: they are many and large, and nobody writes to them.
 */
export async function cloneCheckout(): Promise<{
  readonly folder: string;
  giveTo(owner: { uid: number; gid: number }): Promise<void>;
  remove(): void;
}> {
  const folder = mkdtempSync(join(tmpdir(), 'stw-clone-'));
  for (const name of RUNTIME) cpSync(join(ROOT, name), join(folder, name), { recursive: true });
  await linkTree(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return {
    folder,
    giveTo: ({ uid, gid }) => chown(folder, uid, gid),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await linkTree(source, target);
    else if (entry.isSymbolicLink()) await symlink(await readlink(source), target);
    // Another file system cannot be linked to.
    else await link(source, target).catch(() => copyFile(source, target));
  }
}
