import type { Sighting } from '../../core/recognizer.ts';
import { type Talk, talk } from './talk.ts';

const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

function startupMessage(): Buffer {
  const body = Buffer.from(
    'user\0steward-probe\0database\0postgres\0application_name\0steward discovery\0\0',
    'latin1',
  );
  const head = Buffer.alloc(8);
  head.writeInt32BE(body.length + 8, 0);
  head.writeInt32BE(0x0003_0000, 4);
  return Buffer.concat([head, body]);
}

/** The fields of an ErrorResponse: severity, SQLSTATE, message, the routine that raised it. */
export function errorFields(message: Buffer): Record<string, string> | undefined {
  if (message[0] !== 0x45 || message.length < 7) return undefined;
  const length = message.readInt32BE(1);
  if (length < 6 || length > 8_192) return undefined;
  const fields: Record<string, string> = {};
  for (const part of message
    .subarray(5, 1 + length)
    .toString('utf8')
    .split('\0')) {
    if (part.length > 1) fields[part.charAt(0)] = part.slice(1);
  }
  return fields.S && fields.C && /^[0-9A-Z]{5}$/.test(fields.C) ? fields : undefined;
}

/** Asks for encryption, then for a session of a user that does not exist: the server's refusal is the proof. */
export async function lookPostgres(
  target: { address: string; port: number },
  options: { timeoutMs: number; signal: AbortSignal },
): Promise<Sighting | undefined> {
  let connection: Talk | undefined = await talk(target, options);
  if (!connection) return undefined;
  try {
    connection.write(SSL_REQUEST);
    const answer = await connection.read(options.timeoutMs);
    const letter = answer.toString('latin1');
    if (letter !== 'S' && letter !== 'N') return undefined;
    if (letter === 'S') {
      connection.end();
      connection = await talk(target, options);
      if (!connection) return undefined;
    }
    connection.write(startupMessage());
    const reply = await connection.read(options.timeoutMs, (received) => received.length >= 9);
    const tls = letter === 'S';
    const fields = errorFields(reply);
    const seen = { source: 'handshake', protocol: 'postgresql', product: 'postgresql', tls } as const;
    if (fields)
      return {
        ...seen,
        detail: `refuses an unknown user with SQLSTATE ${fields.C}${fields.R ? ` from ${fields.R}` : ''}`,
        fields: { sqlstate: fields.C ?? '', routine: fields.R ?? '' },
      };
    const kind = reply.length >= 9 && reply[0] === 0x52 ? reply.readInt32BE(5) : -1;
    if ([0, 2, 3, 5, 7, 9, 10].includes(kind))
      return { ...seen, detail: `asks for authentication of kind ${kind}`, fields: { authentication: String(kind) } };
    return undefined;
  } finally {
    connection?.end();
  }
}
