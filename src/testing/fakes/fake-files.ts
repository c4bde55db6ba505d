import { posix } from 'node:path';
import { StewardError } from '../../core/errors.ts';
import type { FileInfo, FilesPort } from '../../core/ports/files.ts';

export interface FakeFiles extends FilesPort {
  /** Puts a file there, and the folders above it. */
  write(path: string, content: string, details?: Partial<FileInfo>): FileInfo;
  mkdir(path: string, details?: Partial<FileInfo>): FileInfo;
  link(path: string, to: string): FileInfo;
  /** Some process holds it open, or no longer does. */
  setOpen(path: string, open: boolean): void;
  setFree(space: { readonly freeBytes: number; readonly totalBytes: number; readonly freeInodes: number }): void;
  /** From here on that folder cannot be read. */
  forbid(path: string): void;
  exists(path: string): boolean;
}

interface Node {
  info: FileInfo;
  content: string;
}

/** A tree of files in memory. Like the real one it stays below its roots, follows no link and replaces nothing. */
export function fakeFiles(options: { readonly roots: readonly string[]; readonly now?: () => Date }): FakeFiles {
  const now = options.now ?? (() => new Date());
  const nodes = new Map<string, Node>();
  const open = new Set<number>();
  const forbidden = new Set<string>();
  let inodes = 100;
  let space = { freeBytes: 50e9, totalBytes: 100e9, freeInodes: 1e6 };

  const below = (path: string, folder: string) => path === folder || path.startsWith(`${folder}/`);
  const put = (path: string, kind: FileInfo['kind'], content: string, details: Partial<FileInfo> = {}): FileInfo => {
    const above = posix.dirname(path);
    if (path !== '/' && !nodes.has(above)) put(above, 'directory', '');
    const info: FileInfo = {
      path,
      kind,
      bytes: Buffer.byteLength(content),
      modifiedAt: now(),
      accessedAt: now(),
      uid: 0,
      mode: kind === 'directory' ? 0o755 : 0o644,
      device: nodes.get(above)?.info.device ?? 1,
      inode: ++inodes,
      ...details,
    };
    nodes.set(path, { info, content });
    return info;
  };
  for (const root of options.roots) put(root, 'directory', '');

  function guard(path: string): string {
    const asked = posix.resolve(path);
    if (!options.roots.some((root) => below(asked, root))) {
      throw new StewardError('FORBIDDEN', `${path} is not below a folder that Steward may use.`, {
        hint: `Allowed are ${options.roots.join(', ')}; the configuration can add others.`,
      });
    }
    for (let at = posix.dirname(asked); at !== '/'; at = posix.dirname(at)) {
      if (nodes.get(at)?.info.kind === 'link')
        throw new StewardError('FORBIDDEN', `${path} leads over a link; links below a root are not followed.`);
    }
    return asked;
  }

  function get(path: string): Node {
    const node = nodes.get(guard(path));
    if (!node) throw new StewardError('NOT_FOUND', `${path}: there is no such file or folder.`);
    return node;
  }

  function children(path: string): FileInfo[] {
    if (forbidden.has(path)) throw new StewardError('FORBIDDEN', `Listing ${path}: this user may not.`);
    if (get(path).info.kind !== 'directory')
      throw new StewardError(get(path).info.kind === 'link' ? 'FORBIDDEN' : 'NOT_FOUND', `${path} is not a folder.`);
    return [...nodes.values()]
      .map(({ info }) => info)
      .filter((info) => info.path !== path && posix.dirname(info.path) === path);
  }

  return {
    roots: () => options.roots,

    async stat(path) {
      return nodes.get(guard(path))?.info;
    },

    async list(path) {
      return children(guard(path));
    },

    async walk(path, { maxEntries, signal }) {
      const { device } = get(path).info;
      const entries: FileInfo[] = [];
      let skipped = 0;
      const pending = children(guard(path)).toReversed();
      for (let next = pending.pop(); next; next = pending.pop()) {
        if (signal.aborted) throw new StewardError('CANCELED', `Looking through ${path} was canceled.`);
        if (entries.length >= maxEntries) return { entries, skipped, truncated: true };
        entries.push(next);
        if (next.kind !== 'directory') continue;
        if (next.device !== device || forbidden.has(next.path)) skipped++;
        else pending.push(...children(next.path).toReversed());
      }
      return { entries, skipped, truncated: false };
    },

    async read(path, { maxBytes }) {
      const node = nodes.get(guard(path));
      if (!node) return undefined;
      if (node.info.kind === 'link')
        throw new StewardError('FORBIDDEN', `Reading ${path}: it is a link, and links are not followed.`);
      if (node.info.kind !== 'file') throw new StewardError('PRECONDITION_FAILED', `${path} is not a file.`);
      return Buffer.from(node.content).subarray(0, maxBytes).toString();
    },

    async openPaths(paths) {
      return new Set(paths.filter((path) => open.has(nodes.get(posix.resolve(path))?.info.inode ?? -1)));
    },

    async move(from, to) {
      const source = get(from);
      const target = guard(to);
      if (get(posix.dirname(target)).info.kind !== 'directory')
        throw new StewardError('NOT_FOUND', `${to}: there is no such folder.`);
      if (nodes.has(target))
        throw new StewardError('CONFLICT', `Moving ${from} to ${to}: something is there already.`, {
          hint: 'Nothing was replaced. Move it away, or choose another name.',
        });
      const start = source.info.path;
      for (const [path, node] of new Map(nodes)) {
        if (!below(path, start)) continue;
        const moved = target + path.slice(start.length);
        nodes.delete(path);
        nodes.set(moved, { ...node, info: { ...node.info, path: moved } });
      }
    },

    async makeDirectory(path) {
      const asked = guard(path);
      const there = nodes.get(asked);
      if (there && there.info.kind !== 'directory')
        throw new StewardError('CONFLICT', `Making ${path}: something is there already.`);
      if (!there) put(asked, 'directory', '', { mode: 0o700 });
    },

    async remove(path, inode) {
      const asked = guard(path);
      const node = nodes.get(asked);
      if (node?.info.inode !== inode) return false;
      if (node.info.kind === 'directory' && children(asked).length > 0)
        throw new StewardError('PRECONDITION_FAILED', `The folder ${path} is not empty.`);
      nodes.delete(asked);
      return true;
    },

    async freeBytes(path) {
      guard(path);
      return space;
    },

    write: (path, content, details) => put(path, 'file', content, details),
    mkdir: (path, details) => put(path, 'directory', '', details),
    link: (path, to) => put(path, 'link', to),
    setOpen(path, yes) {
      const inode = get(path).info.inode;
      if (yes) open.add(inode);
      else open.delete(inode);
    },
    setFree(next) {
      space = next;
    },
    forbid: (path) => void forbidden.add(path),
    exists: (path) => nodes.has(path),
  };
}
