import type { Sighting } from '../../core/recognizer.ts';
import { type Talk, shown } from './talk.ts';

export interface MysqlGreeting {
  readonly product: 'mysql' | 'mariadb';
  readonly version: string;
}

/** The greeting of protocol version 10; undefined where the bytes are anything else. */
export function parseGreeting(packet: Buffer): MysqlGreeting | undefined {
  if (packet.length < 30 || packet[3] !== 0 || packet[4] !== 0x0a) return undefined;
  const length = packet.readUIntLE(0, 3);
  if (length < 26 || length > 512 || packet.length < length + 4) return undefined;
  const end = packet.indexOf(0, 5);
  if (end < 6 || end > 100) return undefined;
  const text = packet.toString('latin1', 5, end);
  if (!/^\d+\.\d+[\w.+~:-]*$/.test(text)) return undefined;
  // MariaDB 10 and later hide behind 5.5.5- for replicas that compare numbers.
  const mariadb = /mariadb/i.test(text);
  const version = /^(?:5\.5\.5-)?(\d+(?:\.\d+)+)/.exec(text)?.[1] ?? text;
  return { product: mariadb ? 'mariadb' : 'mysql', version };
}

/** The error before a greeting: too many connections, host not allowed. */
export function parseRefusal(packet: Buffer): { code: number; message: string } | undefined {
  if (packet.length < 9 || packet[4] !== 0xff || packet.readUIntLE(0, 3) + 4 > packet.length) return undefined;
  const code = packet.readUInt16LE(5);
  return code >= 1000 && code < 5000 ? { code, message: shown(packet.subarray(7)) } : undefined;
}

function nonsenseLogin(): Buffer {
  const PROTOCOL_41 = 0x200;
  const SECURE_CONNECTION = 0x8000;
  const PLUGIN_AUTH = 0x8_0000;
  const head = Buffer.alloc(32);
  head.writeUInt32LE(PROTOCOL_41 | SECURE_CONNECTION | PLUGIN_AUTH, 0);
  head.writeUInt32LE(1 << 24, 4);
  head[8] = 33;
  const body = Buffer.concat([head, Buffer.from('steward-probe\0\0mysql_native_password\0', 'latin1')]);
  const frame = Buffer.alloc(4);
  frame.writeUIntLE(body.length, 0, 3);
  frame[3] = 1;
  return Buffer.concat([frame, body]);
}

/**
 * Greeting first, then a login that cannot succeed. A connection that ends halfway would count against this
 * host's `max_connect_errors`; a refused login does not.
 */
export async function lookMysql(
  connection: Talk,
  greetingBytes: Buffer,
  timeoutMs: number,
): Promise<Sighting | undefined> {
  const refusal = parseRefusal(greetingBytes);
  if (refusal)
    return {
      source: 'banner',
      protocol: 'mysql',
      tls: false,
      detail: `error ${refusal.code} at greeting: ${refusal.message}`,
      fields: {},
    };
  const greeting = parseGreeting(greetingBytes);
  if (!greeting) return undefined;
  const seen = {
    protocol: 'mysql',
    product: greeting.product,
    version: greeting.version,
    tls: false,
    fields: {},
  } as const;
  connection.write(nonsenseLogin());
  const reply = await connection.read(timeoutMs, (received) => received.length >= 5);
  const sequence = reply[3];
  const kind = reply[4];
  if (sequence === 2 && (kind === 0xff || kind === 0xfe || kind === 0x00)) {
    connection.write(Buffer.from([1, 0, 0, 0, 1]));
    return {
      ...seen,
      source: 'handshake',
      detail: `greeting of ${greeting.product} ${greeting.version}, then ${kind === 0xff ? `error ${reply.readUInt16LE(5)} for an unknown user` : 'an authentication request'}`,
    };
  }
  return {
    ...seen,
    source: 'banner',
    detail: `greeting of ${greeting.product} ${greeting.version}, but no answer to a login`,
  };
}
