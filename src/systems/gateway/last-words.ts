// Answers on a connection that Node's HTTP does not look after any more: one that left it, or one that it could not read.
import { STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';

const LONGEST_MS = 30_000;

/** An answer and the end of the connection. */
export function lastWords(
  socket: Duplex,
  status: number,
  headers: Readonly<Record<string, string>>,
  body?: object,
): void {
  const text = body === undefined ? '' : JSON.stringify(body);
  const lines = {
    ...headers,
    ...(body !== undefined && { 'content-type': 'application/json' }),
    'content-length': String(Buffer.byteLength(text)),
    connection: 'close',
  };
  socket.write(headOf(status, Object.entries(lines).flat()) + text);
  endSoon(socket, LONGEST_MS);
}

/** What was written still goes out; neither who does not take it in time nor who stays afterwards keeps the connection. */
export function endSoon(socket: Duplex, withinMs: number): void {
  const late = setTimeout(() => socket.destroy(), withinMs).unref();
  socket.once('close', () => clearTimeout(late));
  socket.end();
  // What still comes is read and dropped: left unread, it would turn the end into a reset.
  socket.resume();
  socket.destroySoon?.();
}

/** Names and values in turn. */
export function headOf(status: number, headers: readonly string[]): string {
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n`;
  for (let at = 0; at + 1 < headers.length; at += 2) head += `${headers[at]}: ${headers[at + 1]}\r\n`;
  return `${head}\r\n`;
}

declare module 'node:stream' {
  interface Duplex {
    /** Of a socket: destroys it when what was written has gone out. */
    destroySoon?(): void;
  }
}
