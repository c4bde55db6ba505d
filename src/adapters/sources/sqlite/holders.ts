import { statSync } from 'node:fs';
import { breathe, namesProc, processIds, readProc } from '../../procfs/read.ts';

/** Processes that have the database or what lies beside it open, each with its name; only those that this user may see. */
export async function holdersOf(paths: readonly string[]): Promise<string[]> {
  const inodes = new Set(paths.map(inodeOf).filter((inode) => inode !== undefined));
  const holders: string[] = [];
  await breathe(
    processIds().filter((pid) => pid !== process.pid),
    (pid) => {
      const holds = (namesProc(`/proc/${pid}/fd`) ?? []).some((fd) => {
        const inode = inodeOf(`/proc/${pid}/fd/${fd}`);
        return inode !== undefined && inodes.has(inode);
      });
      if (holds) holders.push(`${(readProc(`/proc/${pid}/comm`) ?? '?').trim()} (process ${pid})`);
    },
    20,
  );
  return holders;
}

function inodeOf(path: string): string | undefined {
  try {
    const { dev, ino } = statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return undefined;
  }
}
