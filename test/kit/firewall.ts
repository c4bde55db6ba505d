import { readdir, readFile, readlink } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';

/** A way to a server on loopback that some processes of this machine are not let through. */
export interface Firewall {
  readonly port: number;
  /** From now on; connections that stand are cut. */
  block(...pids: number[]): void;
  allow(...pids: number[]): void;
  close(): Promise<void>;
}

/** Passes on to the port whoever is not blocked; the others are refused with a reset. */
export async function firewallBefore(upstream: number): Promise<Firewall> {
  const blocked = new Set<number>();
  const passing = new Map<Socket, number | undefined>();
  const server = createServer((socket) => void pass(socket));

  async function pass(socket: Socket): Promise<void> {
    socket.on('error', () => undefined);
    const pid = await ownerOf(socket.remotePort ?? 0);
    if (pid === undefined || blocked.has(pid)) return void socket.resetAndDestroy();
    const beyond = connect(upstream, '127.0.0.1');
    passing.set(socket, pid);
    beyond.on('error', () => socket.destroy());
    beyond.on('close', () => socket.destroy());
    socket.on('close', () => {
      passing.delete(socket);
      beyond.destroy();
    });
    socket.pipe(beyond);
    beyond.pipe(socket);
  }

  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    port: address.port,
    block(...pids) {
      for (const pid of pids) blocked.add(pid);
      for (const [socket, pid] of passing) if (pid !== undefined && blocked.has(pid)) socket.resetAndDestroy();
    },
    allow(...pids) {
      for (const pid of pids) blocked.delete(pid);
    },
    async close() {
      for (const socket of passing.keys()) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

/** The process whose end of a connection has this local port. */
async function ownerOf(port: number): Promise<number | undefined> {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const line = (await readFile('/proc/net/tcp', 'utf8')).split('\n').find((each) => {
    const [, local = '', , state] = each.trim().split(/\s+/);
    return local.endsWith(`:${wanted}`) && state === '01';
  });
  const inode = line?.trim().split(/\s+/)[9];
  if (inode === undefined) return undefined;
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    for (const fd of await readdir(`/proc/${entry}/fd`).catch(() => [])) {
      const link = await readlink(`/proc/${entry}/fd/${fd}`).catch(() => '');
      if (link === `socket:[${inode}]`) return Number(entry);
    }
  }
  return undefined;
}
