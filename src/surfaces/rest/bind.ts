import type { AddressInfo } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { StewardError } from '../../core/errors.ts';
import type { RestSettings } from './settings.ts';

export interface Listening {
  readonly url: string;
  readonly port: number;
}

/** A public address without encryption would send every credential in the clear. */
export function assertMayBind({ host, tls, trustedProxies = [] }: RestSettings): void {
  if (isLoopback(host) || tls || trustedProxies.length > 0) return;
  throw new StewardError(
    'PRECONDITION_FAILED',
    `${host} can be reached from elsewhere, and there is neither TLS nor a trusted proxy.`,
    {
      hint: 'Set server.tls, or server.trustedProxies with a proxy in front that has TLS; or listen on 127.0.0.1 and use an SSH tunnel.',
    },
  );
}

export async function listen(app: FastifyInstance, { host, port, tls }: RestSettings): Promise<Listening> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE') {
      throw new StewardError('PORT_IN_USE', `Another program listens on ${host}:${port}.`, {
        hint: `Find it with ss -tlnp 'sport = :${port}', or choose another port: STEWARD_PORT=${port + 1}.`,
        cause,
      });
    }
    if (code === 'EACCES') {
      throw new StewardError('PRECONDITION_FAILED', `This user may not listen on port ${port}.`, {
        hint: 'Choose a port above 1023: STEWARD_PORT=3000.',
        cause,
      });
    }
    if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND') {
      throw new StewardError('CONFIG_INVALID', `${host} is no address of this machine.`, {
        hint: 'Correct server.host.',
        cause,
      });
    }
    throw cause;
  }
  const bound = (app.server.address() as AddressInfo).port;
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return { url: `${tls ? 'https' : 'http'}://${name}:${bound}`, port: bound };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
