import type { FastifyInstance, FastifyRequest } from 'fastify';
import { z } from 'zod';
import type { AuditLog } from '../../core/audit.ts';
import { StewardError } from '../../core/errors.ts';
import type { PlaceReceiver } from '../../core/places.ts';
import { API } from './routes.ts';

const limited = (what: string, max: number) => ({
  rateLimit: { max, timeWindow: 60_000, keyGenerator: (request: FastifyRequest) => `${what}:${request.ip}` },
});

const Joining = z.strictObject({
  invitation: z.string().max(300),
  tokenHash: z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in hexadecimal'),
});

/**
 * Where places come in. Their token is none of Steward's users: it opens these addresses and no other, and no token of a user
 * opens them.
 */
export function mountPlaces(
  app: FastifyInstance,
  { places, audit }: { readonly places: PlaceReceiver; readonly audit: AuditLog },
): void {
  app.post(`${API}/places/join`, { config: { open: true, ...limited('place-join', 20) } }, async (request) => {
    const { data, error } = Joining.safeParse(request.body);
    if (error) throw StewardError.from(error);
    const joined = await places.join({ ...data, from: request.ip });
    await audit.append({
      action: 'place.joined',
      actor: { kind: 'system', id: 'system:probes', name: joined.name, role: 'viewer' },
      subject: { kind: 'place', id: joined.name },
      outcome: 'succeeded',
      from: request.ip,
    });
    return joined;
  });
  app.post(`${API}/places/report`, { config: { open: true, ...limited('place', 1_200) } }, (request) =>
    places.report(bearerOf(request), request.body, request.ip),
  );
  app.post('/internal/metrics/healthcheck', { config: { open: true, ...limited('place', 1_200) } }, (request) =>
    places.healthcheck(bearerOf(request), request.body, request.ip),
  );
}

function bearerOf({ headers: { authorization = '' } }: FastifyRequest): string {
  const [scheme, token = ''] = authorization.split(' ', 2);
  if (scheme?.toLowerCase() === 'bearer' && token !== '') return token;
  throw new StewardError('UNAUTHENTICATED', 'This needs the token of a place.', {
    hint: 'Send Authorization: Bearer stwp_...; steward probe invite NAME makes one.',
  });
}
