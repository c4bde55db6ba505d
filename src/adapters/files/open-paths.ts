import { type Stats, lstatSync, statSync } from 'node:fs';
import { breathe, linkProc, namesProc, processIds, readProc } from '../procfs/read.ts';

/**
 * Those of the paths that some process holds open, has mapped, runs from, or works in. A file counts by its inode, so that
 * one held under another name counts too.
 */
export async function findOpenPaths(paths: readonly string[]): Promise<ReadonlySet<string>> {
  const byInode = new Map<string, string[]>();
  const wanted = new Set(paths);
  for (const path of wanted) {
    const stats = quietly(() => lstatSync(path));
    if (!stats) continue;
    const key = inodeKey(stats);
    byInode.set(key, [...(byInode.get(key) ?? []), path]);
  }
  const open = new Set<string>();
  const note = (link: string | undefined, stats: () => Stats) => {
    // Sockets, pipes and anonymous inodes have no path.
    if (!link?.startsWith('/') || link.startsWith('/dev/')) return;
    if (wanted.has(link)) open.add(link);
    const found = quietly(stats);
    for (const path of (found && byInode.get(inodeKey(found))) ?? []) open.add(path);
  };
  await breathe(
    processIds(),
    (pid) => {
      for (const name of ['cwd', 'exe', 'root']) {
        const at = `/proc/${pid}/${name}`;
        note(linkProc(at), () => statSync(at));
      }
      for (const fd of namesProc(`/proc/${pid}/fd`) ?? []) {
        const at = `/proc/${pid}/fd/${fd}`;
        note(linkProc(at), () => statSync(at));
      }
      for (const path of mappedFiles(pid)) if (wanted.has(path)) open.add(path);
    },
    20,
  );
  return open;
}

function mappedFiles(pid: number): Set<string> {
  const files = new Set<string>();
  for (const line of (readProc(`/proc/${pid}/maps`) ?? '').split('\n')) {
    const at = line.indexOf('/');
    if (at > 0) files.add(line.slice(at));
  }
  return files;
}

function inodeKey({ dev, ino }: Stats): string {
  return `${dev}:${ino}`;
}

function quietly<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
