import type { Connection, Listener, SocketsPort } from '../../core/ports/sockets.ts';

export interface FakeSockets extends SocketsPort {
  listen(port: number, details?: Partial<Listener>): void;
  connect(connection: Connection): void;
  /** What the kernel does when a process ends: its sockets close, others that share them stay. */
  closeOf(pid: number): void;
  /** Takes away every listener on a port. */
  close(port: number): void;
}

/** Sockets in memory. */
export function fakeSockets(): FakeSockets {
  let listeners: Listener[] = [];
  let connections: Connection[] = [];
  const without = <T extends { readonly pids: readonly number[] }>(sockets: readonly T[], pid: number): T[] =>
    sockets.flatMap((socket) => {
      if (!socket.pids.includes(pid)) return [socket];
      const pids = socket.pids.filter((one) => one !== pid);
      return pids.length > 0 ? [{ ...socket, pids }] : [];
    });
  return {
    listeners: async () => [...listeners],
    connections: async () => [...connections],
    listen: (port, details = {}) =>
      void listeners.push({ protocol: 'tcp', address: '127.0.0.1', port, pids: [], uid: 0, ...details }),
    connect: (connection) => void connections.push(connection),
    closeOf(pid) {
      listeners = without(listeners, pid);
      connections = without(connections, pid);
    },
    close(port) {
      listeners = listeners.filter((listener) => listener.port !== port);
    },
  };
}
