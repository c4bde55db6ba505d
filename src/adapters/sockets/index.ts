import { statSync } from 'node:fs';
import { access } from 'node:fs/promises';
import type { PortStatus } from '../../core/ports.ts';
import type { Connection, Listener, SocketsPort } from '../../core/ports/sockets.ts';
import { readProc } from '../procfs/read.ts';
import { findHolders, type Holders } from './holders.ts';
import { ESTABLISHED, LISTEN, type NetEntry, parseNetTable, UDP_OPEN } from './net-table.ts';
import { parseUnixTable } from './unix-table.ts';

export interface Sockets extends SocketsPort {
  status(): Promise<PortStatus>;
}

const STATES = { tcp: new Set([LISTEN, ESTABLISHED]), udp: new Set([UDP_OPEN, ESTABLISHED]) };

interface Seen {
  readonly pids: Holders['pids'];
  readonly sockets: readonly { readonly entry: NetEntry; readonly container: string | undefined }[];
}

/**
 * Sockets of this machine and of every container on it, from /proc. A listener in a network namespace that is no
 * container's is tagged `netns:<inode>`: its port is not reachable from here either.
 */
export function createSockets(): Sockets {
  let looking: Promise<Seen> | undefined;

  // listeners() and connections() are asked together: one look at all tables and file descriptors serves both.
  function look(): Promise<Seen> {
    looking ??= see().finally(() => {
      looking = undefined;
    });
    return looking;
  }

  return {
    async status() {
      return access('/proc/net/tcp').then(
        () => ({ ok: true }),
        () => ({ ok: false, reason: 'Sockets are read from /proc/net, which this machine does not have.' }),
      );
    },

    async listeners() {
      const { pids, sockets } = await look();
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

    async connections() {
      const { pids, sockets } = await look();
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

async function see(): Promise<Seen> {
  // Before the walk: a socket that opens during it would be in the table and belong to nobody.
  const sockets = socketsBelow('/proc/net', undefined);
  const { pids, namespaces } = await findHolders();
  for (const { pid, container } of namespaces) sockets.push(...socketsBelow(`/proc/${pid}/net`, container));
  return { pids, sockets };
}

function socketsBelow(
  base: string,
  container: string | undefined,
): { entry: NetEntry; container: string | undefined }[] {
  return (['tcp', 'udp'] as const).flatMap((protocol) =>
    ['', '6'].flatMap((family) =>
      parseNetTable(readProc(`${base}/${protocol}${family}`) ?? '', protocol, STATES[protocol]).map((entry) => ({
        entry,
        container,
      })),
    ),
  );
}

// A path that is not there was unlinked, or belongs to a container's file system: no way in from here.
function ownerOf(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}
