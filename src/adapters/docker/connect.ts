import Docker from 'dockerode';
import { StewardError } from '../../core/errors.ts';

export const DEFAULT_HOST = 'unix:///var/run/docker.sock';

/** The engine that DOCKER_HOST names. */
export function connect(host: string): Docker {
  if (host.startsWith('unix://')) return new Docker({ socketPath: host.slice('unix://'.length) });
  if (host.startsWith('/')) return new Docker({ socketPath: host });
  const url = URL.parse(host);
  if (!url || !['tcp:', 'http:', 'https:'].includes(url.protocol)) {
    throw new StewardError('CONFIG_INVALID', `DOCKER_HOST ${host} is neither unix:///path nor tcp://host:port.`, {
      hint: 'Example: unix:///var/run/docker.sock',
    });
  }
  return new Docker({
    host: url.hostname,
    port: url.port || '2375',
    protocol: url.protocol === 'https:' ? 'https' : 'http',
  });
}
