import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

/** An end that is no orderly one, so that nobody takes what came for all of it. Within TLS that is one without its last word. */
export function reset(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy();
  else socket.resetAndDestroy();
}
