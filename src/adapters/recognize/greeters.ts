import type { Sighting } from '../../core/recognizer.ts';
import { lookMysql } from './mysql.ts';
import { type Talk, shown } from './talk.ts';

/** Servers that speak first. What they say is a claim; each claim is followed by the next step of its protocol. */
export async function lookAtGreeting(connection: Talk, greeting: Buffer, timeoutMs: number): Promise<Sighting> {
  const text = greeting.toString('latin1');
  if (text.startsWith('SSH-')) return await lookSsh(connection, text, timeoutMs);
  if (text.startsWith('INFO {')) return await lookNats(connection, text, timeoutMs);
  if (/^220[ -]/.test(text)) return await lookMailOrFtp(connection, text, timeoutMs);
  const mysql = await lookMysql(connection, greeting, timeoutMs);
  if (mysql) return mysql;
  if (/^\* OK\b/.test(text)) return banner('imap', /dovecot/i.test(text) ? 'dovecot' : undefined, text);
  if (/^\+OK\b/.test(text)) return banner('pop3', /dovecot/i.test(text) ? 'dovecot' : undefined, text);
  return banner('unknown', undefined, text);
}

function banner(protocol: string, product: string | undefined, text: string, version?: string): Sighting {
  return {
    source: 'banner',
    protocol,
    product,
    version,
    tls: false,
    detail: `greets with: ${shown(text)}`,
    fields: {},
  };
}

/** After the names, the real protocol sends its key exchange offer in a binary packet; a copied banner does not. */
async function lookSsh(connection: Talk, text: string, timeoutMs: number): Promise<Sighting> {
  const line = text.split(/\r?\n/, 1)[0] ?? '';
  const [, software = ''] = /^SSH-[\d.]+-(\S*)/.exec(line) ?? [];
  const [, name = '', version] = /^([A-Za-z]+)[_-]?v?(\d[\w.]*)?/.exec(software) ?? [];
  const product = { openssh: 'openssh', dropbear: 'dropbear', libssh: 'libssh', paramiko: 'paramiko' }[
    name.toLowerCase()
  ];
  const rest = Buffer.from(text.slice(text.indexOf('\n') + 1), 'latin1');
  connection.write('SSH-2.0-steward_discovery\r\n');
  const packet = isKeyExchange(rest)
    ? rest
    : Buffer.concat([
        rest,
        await connection.read(timeoutMs, (received) => isKeyExchange(Buffer.concat([rest, received]))),
      ]);
  if (!isKeyExchange(packet)) return banner('ssh', product, line, version);
  return {
    source: 'handshake',
    protocol: 'ssh',
    product,
    version,
    tls: false,
    detail: `${shown(line)}, then offers its key exchange`,
    fields: {},
  };
}

/** SSH_MSG_KEXINIT: length, padding, message 20, cookie, and a list that names key exchange methods. */
export function isKeyExchange(packet: Buffer): boolean {
  if (packet.length < 40 || packet[5] !== 20) return false;
  const length = packet.readUInt32BE(0);
  if (length < 100 || length > 35_000) return false;
  const names = packet.toString('latin1', 26, Math.min(packet.length, 26 + packet.readUInt32BE(22)));
  return /curve25519|diffie-hellman|ecdh-sha2|sntrup|mlkem/.test(names);
}

async function lookNats(connection: Talk, text: string, timeoutMs: number): Promise<Sighting> {
  const version = /"version":"([\w.+-]{1,40})"/.exec(text)?.[1];
  connection.write('CONNECT {"verbose":false,"pedantic":false,"name":"steward discovery"}\r\nPING\r\n');
  const reply = (await connection.read(timeoutMs, (received) => received.includes('\r\n'))).toString('latin1');
  if (!/^(PONG|-ERR )/.test(reply)) return banner('nats', 'nats', text, version);
  return {
    source: 'handshake',
    protocol: 'nats',
    product: 'nats',
    version,
    tls: false,
    detail: `INFO, then ${shown(reply, 60)} to PING`,
    fields: {},
  };
}

async function lookMailOrFtp(connection: Talk, text: string, timeoutMs: number): Promise<Sighting> {
  const product = (
    [
      [/postfix/i, 'postfix'],
      [/exim/i, 'exim'],
      [/opensmtpd/i, 'opensmtpd'],
      [/vsftpd/i, 'vsftpd'],
      [/proftpd/i, 'proftpd'],
      [/pure-ftpd/i, 'pure-ftpd'],
    ] as const
  ).find(([pattern]) => pattern.test(text))?.[1];
  connection.write('EHLO steward.invalid\r\n');
  const reply = (await connection.read(timeoutMs, (received) => received.toString('latin1').endsWith('\r\n'))).toString(
    'latin1',
  );
  connection.write('QUIT\r\n');
  const version = /(?:vsFTPd|ProFTPD|Exim)\s+(\d[\w.]*)/i.exec(text)?.[1];
  if (/^250[ -]/.test(reply))
    return {
      source: 'handshake',
      protocol: 'smtp',
      product,
      version,
      tls: false,
      detail: `${shown(text, 100)}; answers EHLO with ${shown(reply, 60)}`,
      fields: {},
    };
  return banner(/^5\d\d|^4\d\d/.test(reply) ? 'ftp' : 'unknown', product, text, version);
}
