import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { AuditLog } from '../../core/audit.ts';
import { StewardError } from '../../core/errors.ts';
import { type PlaceJoined, PlaceJoining } from '../../core/place-messages.ts';
import type { PlaceReceiver } from '../../core/places.ts';
import { PLACE_ADDRESSES } from './place-addresses.ts';

const limited = (what: string, max: number) => ({
  open: true,
  rateLimit: { max, timeWindow: 60_000, keyGenerator: (request: FastifyRequest) => `${what}:${request.ip}` },
});

/**
 * Where places come in. Their token is none of Steward's users: it opens these addresses and no other, and no token of a user
 * opens them.
 */
export function mountPlaces(
  app: FastifyInstance,
  { places, audit }: { readonly places: PlaceReceiver; readonly audit: AuditLog },
): void {
  const { join, report, healthcheck } = PLACE_ADDRESSES;
  const take = async (request: FastifyRequest): Promise<PlaceJoined> => {
    const { data, error } = PlaceJoining.safeParse(request.body);
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
  };
  app.post(join.path, { config: limited('place-join', join.requestsPerMinute) }, (request) => take(request));
  app.post(report.path, { config: limited('place', report.requestsPerMinute) }, (request) =>
    places.report(bearerOf(request), request.body, request.ip),
  );
  app.post(healthcheck.path, { config: limited('place', healthcheck.requestsPerMinute) }, (request) =>
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
