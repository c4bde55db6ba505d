import { createReadStream } from 'node:fs';
import { lstat, readdir, readlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { pack, type Header, type Pack } from 'tar-stream';

/** One thing of an image: a file or folder of this machine under another name, or a text, or an empty folder. */
export type ImagePart =
  | { readonly to: string; readonly from: string; readonly except?: RegExp }
  | { readonly to: string; readonly text: string }
  | { readonly to: string; readonly link: string }
  | {
      readonly to: string;
      readonly folder: true;
      readonly mode?: number;
      readonly uid?: number;
      readonly gid?: number;
    };

/** The root of a file system as a tar, written while it is read: a whole image is never in memory. */
export function tarOf(parts: readonly ImagePart[]): Readable {
  const tar = pack();
  write(tar, parts).then(
    () => tar.finalize(),
    (thrown: unknown) => tar.destroy(thrown as Error),
  );
  return Readable.from(tar);
}

async function write(tar: Pack, parts: readonly ImagePart[]): Promise<void> {
  const folders = new Set<string>();
  const above = async (path: string): Promise<void> => {
    const folder = dirname(path);
    if (folder === '/' || folder === '.' || folders.has(folder)) return;
    await above(folder);
    folders.add(folder);
    await entry(tar, { name: `${folder.slice(1)}/`, type: 'directory', mode: 0o755 });
  };
  const copy = async (from: string, to: string, except: RegExp | undefined): Promise<void> => {
    if (except?.test(from)) return;
    const found = await lstat(from);
    const name = to.slice(1);
    if (found.isDirectory()) {
      for (const child of (await readdir(from)).toSorted()) await copy(join(from, child), join(to, child), except);
      return;
    }
    await above(to);
    if (found.isSymbolicLink()) {
      await entry(tar, { name, type: 'symlink', linkname: await readlink(from) });
      return;
    }
    const mode = found.mode & 0o111 ? 0o755 : 0o644;
    await pipeline(createReadStream(from), tar.entry({ name, size: found.size, mode }));
  };
  for (const part of parts) {
    if ('from' in part) await copy(part.from, part.to, part.except);
    else if ('text' in part) {
      await above(part.to);
      await entry(tar, { name: part.to.slice(1), mode: 0o644 }, part.text);
    } else if ('link' in part) {
      await above(part.to);
      await entry(tar, { name: part.to.slice(1), type: 'symlink', linkname: part.link });
    } else {
      await above(part.to);
      const { to, mode = 0o755, uid = 0, gid = 0 } = part;
      folders.add(to);
      await entry(tar, { name: `${to.slice(1)}/`, type: 'directory', mode, uid, gid });
    }
  }
}

function entry(tar: Pack, headers: Partial<Header> & { name: string }, text = ''): Promise<void> {
  return new Promise((resolve, reject) => {
    tar.entry(headers, text, (thrown) => (thrown ? reject(thrown) : resolve()));
  });
}
