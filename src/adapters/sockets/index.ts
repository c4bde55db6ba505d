import { statSync } from 'node:fs';
import { access } from 'node:fs/promises';
import type { PortStatus } from '../../core/ports.ts';
import type { Connection, Listener, SocketsLook, SocketsPort } from '../../core/ports/sockets.ts';
import { breathe, readProc } from '../procfs/read.ts';
import { findHolders, findNamespaces, type Holders, type Namespace } from './holders.ts';
import { ESTABLISHED, LISTEN, type NetEntry, parseNetTable, UDP_OPEN } from './net-table.ts';
import { parseUnixTable } from './unix-table.ts';

export interface Sockets extends SocketsPort {
  status(): Promise<PortStatus>;
}

const STATES = { tcp: new Set([LISTEN, ESTABLISHED]), udp: new Set([UDP_OPEN, ESTABLISHED]) };

/** What is expensive to read serves those who look often for this long. */
const RECENT_MS = 60_000;

interface Socket {
  readonly entry: NetEntry;
  readonly container: string | undefined;
}

interface Seen {
  readonly pids: Holders;
  readonly sockets: readonly Socket[];
}

interface Walk {
  readonly at: number;
  readonly pids: Holders;
  /** Everything that was in the tables then, held by a process that can be seen or not. */
  readonly inodes: ReadonlySet<string>;
}

/**
 * Sockets of this machine and of every container on it, from /proc. A listener in a network namespace that is no
 * container's is tagged `netns:<inode>`: its port is not reachable from here either.
 */
export function createSockets(): Sockets {
  const looking = new Map<boolean, Promise<Seen>>();
  let walk: Walk | undefined;
  let elsewhere = new Map<string, { readonly at: number; readonly sockets: readonly Socket[] }>();

  // listeners() and connections() are asked together: one look at all tables and file descriptors serves both.
  function look({ recent = false }: SocketsLook = {}): Promise<Seen> {
    const seeing = looking.get(recent) ?? see(recent).finally(() => looking.delete(recent));
    looking.set(recent, seeing);
    return seeing;
  }

  async function see(recent: boolean): Promise<Seen> {
    // Before the walk: a socket that opens during it would be in the table and belong to nobody.
    const sockets = socketsBelow('/proc/net', undefined);
    const before = elsewhere;
    const after: typeof elsewhere = new Map();
    const visit = ({ pid, inode, container }: Namespace): void => {
      const known = before.get(inode);
      const now = performance.now();
      const there =
        recent && known && now - known.at < RECENT_MS
          ? known
          : { at: now, sockets: socketsBelow(`/proc/${pid}/net`, container) };
      after.set(inode, there);
      sockets.push(...there.sockets);
    };
    // With many containers the kernel takes long over their tables; others get their turn in between.
    await breathe(findNamespaces(), visit, 1);
    elsewhere = after;
    const known = walk;
    const serves =
      recent &&
      known !== undefined &&
      performance.now() - known.at < RECENT_MS &&
      sockets.every(({ entry }) => known.inodes.has(entry.inode));
    if (serves) return { pids: known.pids, sockets };
    const pids = await findHolders();
    walk = { at: performance.now(), pids, inodes: new Set(sockets.map(({ entry }) => entry.inode)) };
    return { pids, sockets };
  }

  return {
    async status() {
      return access('/proc/net/tcp').then(
        () => ({ ok: true }),
        () => ({ ok: false, reason: 'Sockets are read from /proc/net, which this machine does not have.' }),
      );
    },

    async listeners(options) {
      const { pids, sockets } = await look(options);
      const found: Listener[] = [];
      for (const { entry, container } of sockets) {
        // A connected UDP socket of a client has a peer; one that serves has none.
        if (entry.state === ESTABLISHED || (entry.protocol === 'udp' && entry.remotePort !== 0)) continue;
        found.push({
          protocol: entry.protocol,
          address: entry.localAddress,
          port: entry.localPort,
          pids: pids.get(entry.inode) ?? [],
          uid: entry.uid,
          ...(container === undefined ? {} : { container }),
        });
      }
      for (const { path, inode } of parseUnixTable(readProc('/proc/net/unix') ?? '')) {
        const uid = ownerOf(path);
        if (uid !== undefined)
          found.push({ protocol: 'unix', address: path, port: 0, pids: pids.get(inode) ?? [], uid });
      }
      return found;
    },

    async connections(options) {
      const { pids, sockets } = await look(options);
      return sockets
        .filter(({ entry }) => entry.state === ESTABLISHED)
        .map(({ entry, container }): Connection => ({
          local: { address: entry.localAddress, port: entry.localPort },
          remote: { address: entry.remoteAddress, port: entry.remotePort },
          pids: pids.get(entry.inode) ?? [],
          ...(container === undefined ? {} : { container }),
        }));
    },
  };
}

function socketsBelow(base: string, container: string | undefined): Socket[] {
  return ['', '6'].flatMap((family) => {
    const counts = readProc(`${base}/sockstat${family}`);
    return (['tcp', 'udp'] as const).flatMap((protocol) => {
      // The kernel walks the connections of the whole machine for each table, empty ones included.
      if (counts?.includes(`${protocol.toUpperCase()}${family}: inuse 0`)) return [];
      const table = readProc(`${base}/${protocol}${family}`) ?? '';
      return parseNetTable(table, protocol, STATES[protocol]).map((entry) => ({ entry, container }));
    });
  });
}

// A path that is not there was unlinked, or belongs to a container's file system: no way in from here.
function ownerOf(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}
