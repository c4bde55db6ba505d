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

const LISTENING = { tcp: new Set([LISTEN]), udp: new Set([UDP_OPEN]) };
const TALKING = { tcp: new Set([ESTABLISHED]), udp: new Set([ESTABLISHED]) };

/**
 * Sockets of this machine and of every container on it, from /proc. A listener in a network namespace that is no
 * container's is tagged `netns:<inode>`: its port is not reachable from here either.
 */
export function createSockets(): Sockets {
  let looking: Promise<Holders> | undefined;

  // listeners() and connections() are asked together: one walk over all file descriptors serves both.
  function holders(): Promise<Holders> {
    looking ??= findHolders().finally(() => {
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
      const { pids, namespaces } = await holders();
      const found: Listener[] = [];
      const collect = (base: string, container: string | undefined) => {
        for (const entry of tables(base, LISTENING)) {
          if (entry.protocol === 'udp' && entry.remotePort !== 0) continue;
          found.push({
            protocol: entry.protocol,
            address: entry.localAddress,
            port: entry.localPort,
            pids: pids.get(entry.inode) ?? [],
            uid: entry.uid,
            ...(container === undefined ? {} : { container }),
          });
        }
      };
      collect('/proc/net', undefined);
      for (const { pid, container } of namespaces) collect(`/proc/${pid}/net`, container);
      for (const { path, inode } of parseUnixTable(readProc('/proc/net/unix') ?? '')) {
        const uid = ownerOf(path);
        if (uid !== undefined) found.push({ protocol: 'unix', address: path, port: 0, pids: pids.get(inode) ?? [], uid });
      }
      return found;
    },

    async connections() {
      const { pids, namespaces } = await holders();
      const found: Connection[] = [];
      const collect = (base: string, container: string | undefined) => {
        for (const entry of tables(base, TALKING)) {
          found.push({
            local: { address: entry.localAddress, port: entry.localPort },
            remote: { address: entry.remoteAddress, port: entry.remotePort },
            pids: pids.get(entry.inode) ?? [],
            ...(container === undefined ? {} : { container }),
          });
        }
      };
      collect('/proc/net', undefined);
      for (const { pid, container } of namespaces) collect(`/proc/${pid}/net`, container);
      return found;
    },
  };
}

function tables(base: string, states: typeof LISTENING): NetEntry[] {
  const entries: NetEntry[] = [];
  for (const protocol of ['tcp', 'udp'] as const) {
    for (const family of ['', '6']) entries.push(...parseNetTable(readProc(`${base}/${protocol}${family}`) ?? '', protocol, states[protocol]));
  }
  return entries;
}

// A path that is not there was unlinked, or belongs to a container's file system: no way in from here.
function ownerOf(path: string): number | undefined {
  try {
    return statSync(path).uid;
  } catch {
    return undefined;
  }
}
