import type { FastifyInstance, FastifyRequest } from 'fastify';
import { StewardError } from '../../core/errors.ts';
import { API } from './routes.ts';

/** What a machine that was invited fetches; of use only to who has the token, which is never sent. */
export interface SealedInvitations {
  sealed(id: string): Promise<string | undefined>;
}

const RATE = {
  rateLimit: { max: 20, timeWindow: 60_000, keyGenerator: (request: FastifyRequest) => `join:${request.ip}` },
};

export function mountJoin(app: FastifyInstance, invitations: SealedInvitations): void {
  app.get<{ Params: { id: string } }>(
    `${API}/node-invitations/:id`,
    { config: { open: true, ...RATE } },
    async ({ params: { id } }) => {
      const sealed = /^[0-9a-f]{20}$/.test(id) ? await invitations.sealed(id) : undefined;
      if (sealed === undefined)
        throw new StewardError('NOT_FOUND', 'There is no such invitation; it was used, or has expired.');
      return { sealed };
    },
  );
}
