import { readlinkSync } from 'node:fs';
import { parseControlGroup } from '../procfs/cgroup.ts';
import { breathe, linkProc, namesProc, processIds, readProc } from '../procfs/read.ts';

/** A network namespace other than Steward's own, with one process through which its tables can be read. */
export interface Namespace {
  readonly pid: number;
  /** The container whose control group the process is in, or netns:<inode> where no container is behind it. */
  readonly container: string;
}

export interface Holders {
  /** Processes by the inode of the socket they hold. */
  readonly pids: ReadonlyMap<string, readonly number[]>;
  readonly namespaces: readonly Namespace[];
}

const SOCKET = 'socket:[';

/** One walk over every process: which sockets it holds and in which network namespace it is. */
export async function findHolders(): Promise<Holders> {
  const pids = new Map<string, number[]>();
  const namespaces = new Map<string, Namespace>();
  const own = linkProc('/proc/self/ns/net');
  await breathe(processIds(), (pid) => {
    for (const inode of socketsOf(`/proc/${pid}/fd`)) {
      const holders = pids.get(inode);
      if (!holders) pids.set(inode, [pid]);
      else if (holders.at(-1) !== pid) holders.push(pid);
    }
    const namespace = linkProc(`/proc/${pid}/ns/net`);
    if (namespace === undefined || namespace === own || namespaces.has(namespace)) return;
    const { container } = parseControlGroup(readProc(`/proc/${pid}/cgroup`) ?? '');
    namespaces.set(namespace, { pid, container: container ?? `netns:${namespace.slice('net:['.length, -1)}` });
  });
  return { pids, namespaces: [...namespaces.values()] };
}

function socketsOf(folder: string): string[] {
  const inodes: string[] = [];
  for (const fd of namesProc(folder) ?? []) {
    try {
      const link = readlinkSync(`${folder}/${fd}`);
      if (link.startsWith(SOCKET)) inodes.push(link.slice(SOCKET.length, -1));
    } catch (error) {
      // One closed meanwhile is one less; a refusal holds for the whole process, and each more would cost an exception.
      if ((error as NodeJS.ErrnoException).code === 'EACCES') break;
    }
  }
  return inodes;
}
