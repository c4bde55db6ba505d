import { readFile } from 'node:fs/promises';
import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { SecretReference } from '../../core/secrets.ts';
import { StewardError } from '../../core/errors.ts';
import type { SecretResolver } from '../../core/secrets.ts';
import type { SyslogMessage } from '../../core/syslog.ts';
import { type Destination, translate } from './destination.ts';
import { format } from './format.ts';

export interface TlsSettings {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: SecretReference | undefined;
  readonly secrets: SecretResolver;
}

/**
 * Syslog knows no receipts: what was written to a connection may be lost with it. So each batch has a connection of its own,
 * which we end and the peer then closes. It has read everything by then, or we do not believe that it took anything.
 */
export async function sendByStream(
  messages: readonly SyslogMessage[],
  to: Destination,
  tls: TlsSettings | undefined,
): Promise<void> {
  const frames = messages.map((message) => {
    const text = format(message, to.facility);
    return `${Buffer.byteLength(text)} ${text}`;
  });
  const ended = Promise.withResolvers<void>();
  ended.promise.catch(() => undefined);
  let socket: Socket | undefined;
  let closedByPeer = false;
  const stop = (): void => ended.reject(to.signal.reason);
  to.signal.addEventListener('abort', stop, { once: true });
  try {
    to.signal.throwIfAborted();
    socket = await open(to, tls);
    socket.on('error', (error) => ended.reject(error));
    socket.on('end', () => (closedByPeer = true));
    socket.on('close', () => {
      if (closedByPeer) ended.resolve();
      else ended.reject(new StewardError('UNAVAILABLE', `The syslog server ${to.address} broke the connection off.`));
    });
    const opened = socket;
    opened.once(tls ? 'secureConnect' : 'connect', () => opened.end(frames.join('')));
    // What a peer says is not read, but its end is only seen behind it.
    opened.resume();
    await ended.promise;
  } catch (thrown) {
    throw translate(thrown, to);
  } finally {
    to.signal.removeEventListener('abort', stop);
    socket?.destroy();
  }
}

async function open({ host, resolved, port }: Destination, tls: TlsSettings | undefined): Promise<Socket> {
  if (!tls) return connect({ host: resolved, port });
  const [ca, cert, key] = await Promise.all([
    tls.ca === undefined ? undefined : readFile(tls.ca),
    tls.cert === undefined ? undefined : readFile(tls.cert),
    tls.key === undefined ? undefined : tls.secrets(tls.key),
  ]);
  return connectTls({
    host: resolved,
    port,
    // The certificate is for the name that was configured, not for the address it has at the moment.
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
  });
}
