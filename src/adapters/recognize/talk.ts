import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** A short conversation with a port: everything has a deadline, nothing grows beyond the cap. */
export interface Talk {
  /** What arrives until `enough` holds, the peer closes or the time is up; empty where nothing came. */
  read(waitMs: number, enough?: (received: Buffer) => boolean): Promise<Buffer>;
  write(data: string | Buffer): void;
  readonly closed: boolean;
  end(): void;
}

const MAX_BYTES = 64 * 1024;

/** Bound addresses that mean "everywhere" are reached over loopback. */
export function reachable(address: string): string {
  if (address === '0.0.0.0' || address === '*' || address === '') return '127.0.0.1';
  return address === '::' || address === '[::]' ? '::1' : address;
}

/** Undefined where no connection came about. */
export async function talk(
  target: { address: string; port: number },
  options: { timeoutMs: number; tls?: boolean; signal: AbortSignal },
): Promise<Talk | undefined> {
  if (options.signal.aborted) return undefined;
  const where = { host: reachable(target.address), port: target.port };
  // A certificate is looked at, not trusted: recognition sends nothing worth protecting.
  const socket = options.tls
    ? connectTls({ ...where, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    : connect(where);
  const opened = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), options.timeoutMs);
    const settle = (value: boolean) => {
      clearTimeout(timer);
      resolve(value);
    };
    socket.once(options.tls ? 'secureConnect' : 'connect', () => settle(true));
    socket.once('error', () => settle(false));
    socket.once('close', () => settle(false));
    options.signal.addEventListener('abort', () => settle(false), { once: true });
  });
  if (!opened) {
    socket.on('error', () => undefined);
    socket.destroy();
    return undefined;
  }
  return conversation(socket, options.signal);
}

function conversation(socket: Socket, signal: AbortSignal): Talk {
  let buffered = Buffer.alloc(0);
  let total = 0;
  let closed = false;
  let wake = (): void => undefined;
  const finish = (): void => {
    closed = true;
    wake();
  };
  socket.on('data', (chunk: Buffer) => {
    total += chunk.length;
    buffered = Buffer.concat([buffered, chunk]);
    if (total > MAX_BYTES) socket.destroy();
    wake();
  });
  socket.on('error', finish);
  socket.on('close', finish);
  socket.on('end', finish);
  signal.addEventListener('abort', () => socket.destroy(), { once: true });
  return {
    get closed() {
      return closed;
    },
    async read(waitMs, enough = (received) => received.length > 0) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, waitMs);
        wake = () => {
          if (!closed && !enough(buffered)) return;
          clearTimeout(timer);
          resolve();
        };
        wake();
      });
      wake = () => undefined;
      const received = buffered;
      buffered = Buffer.alloc(0);
      return received;
    },
    write(data) {
      if (!closed) socket.write(data);
    },
    end() {
      socket.destroy();
    },
  };
}

/** Printable, on one line, cut: what may be kept of a peer's words. */
export function shown(data: Buffer | string, length = 160): string {
  const text = typeof data === 'string' ? data : data.toString('latin1');
  // Control characters of a peer must not reach a terminal.
  return text
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(0, length);
}
