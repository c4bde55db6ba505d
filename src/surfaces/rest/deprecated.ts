import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Log } from '../../core/log.ts';
import { API } from './routes.ts';

/** 2026-01-01T00:00:00Z, as RFC 9745 writes it. There is no Sunset: nobody has decided when the old addresses end. */
const SINCE = '@1767225600';
/** Beyond these whoever asks is only told in the answer. */
const REMEMBERED = 1_000;

/** `/api/automation/...` of old scripts, for what is served under `/api/v1/automation/...`. */
export function deprecatedAlias(path: string): string | undefined {
  return path.startsWith(`${API}/automation/`) ? path.replace(`${API}/`, '/api/') : undefined;
}

/** Tells each answer at an old address where the new one is, and the log once who still uses which. */
export function deprecation(log: Log): (request: FastifyRequest, reply: FastifyReply) => void {
  const told = new Set<string>();
  return (request, reply) => {
    void reply
      .header('deprecation', SINCE)
      .header('link', `<${request.url.replace('/api/', `${API}/`)}>; rel="successor-version"`);
    const address = `${request.method} ${request.routeOptions.url ?? ''}`;
    const key = `${request.actor?.id} ${address}`;
    if (told.has(key) || told.size >= REMEMBERED) return;
    told.add(key);
    log.warn('deprecated address used', {
      address,
      instead: address.replace('/api/', `${API}/`),
      by: request.actor?.name,
      from: request.ip,
    });
  };
}
