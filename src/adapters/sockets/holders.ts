import { readlinkSync } from 'node:fs';
import { parseControlGroup } from '../procfs/cgroup.ts';
import { breathe, linkProc, namesProc, processIds, readProc } from '../procfs/read.ts';

/** A network namespace other than Steward's own, with one process through which its tables can be read. */
export interface Namespace {
  readonly pid: number;
  /** The same number as long as it exists. */
  readonly inode: string;
  /** The container whose control group the process is in, or netns:<inode> where no container is behind it. */
  readonly container: string;
}

/** Processes by the inode of the socket they hold. */
export type Holders = ReadonlyMap<string, readonly number[]>;

const SOCKET = 'socket:[';

export function findNamespaces(): Namespace[] {
  const namespaces = new Map<string, Namespace>();
  const own = linkProc('/proc/self/ns/net');
  for (const pid of processIds()) {
    const namespace = linkProc(`/proc/${pid}/ns/net`);
    if (namespace === undefined || namespace === own || namespaces.has(namespace)) continue;
    const { container } = parseControlGroup(readProc(`/proc/${pid}/cgroup`) ?? '');
    const inode = namespace.slice('net:['.length, -1);
    namespaces.set(namespace, { pid, inode, container: container ?? `netns:${inode}` });
  }
  return [...namespaces.values()];
}

/** One walk over the file descriptors of every process: most of what a look at sockets costs. */
export async function findHolders(): Promise<Holders> {
  const pids = new Map<string, number[]>();
  await breathe(processIds(), (pid) => {
    for (const inode of socketsOf(`/proc/${pid}/fd`)) {
      const holders = pids.get(inode);
      if (!holders) pids.set(inode, [pid]);
      else if (holders.at(-1) !== pid) holders.push(pid);
    }
  });
  return pids;
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
