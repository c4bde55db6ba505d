import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { StewardError } from '../../core/errors.ts';
import type { Identity } from '../../core/identity.ts';
import { cookieOf, originOf, setSession } from './access.ts';
import { API } from './routes.ts';

const STATE = 'steward_oidc';
const PATH = `${API}/oidc`;

const STRICT = {
  rateLimit: { max: 30, timeWindow: 60_000, keyGenerator: (request: FastifyRequest) => `provider:${request.ip}` },
};

/** There and back for a browser that signs in through the identity provider. Whatever goes wrong is told on the page. */
export function mountProviderSignIn(
  app: FastifyInstance,
  { identity, origins }: { identity: Identity; origins: readonly string[] },
): void {
  // The provider sends people back to an address that is registered there, whatever they typed here.
  const home = (request: FastifyRequest): string => origins[0] ?? originOf(request, origins);

  const keep = (request: FastifyRequest, reply: FastifyReply, state: string, seconds: number): void => {
    const secure = home(request).startsWith('https:') ? '; Secure' : '';
    // Lax: it has to come along when the provider sends the browser back.
    void reply.header(
      'set-cookie',
      `${STATE}=${state}; Path=${PATH}; HttpOnly; SameSite=Lax; Max-Age=${seconds}${secure}`,
    );
  };

  app.get(`${PATH}/start`, { config: { open: true, ...STRICT } }, async (request, reply) => {
    try {
      const { url, state } = await identity.beginProvider({ origin: home(request) });
      keep(request, reply, state, 600);
      return await reply.redirect(url, 302);
    } catch (thrown) {
      if (StewardError.from(thrown).code === 'NOT_FOUND') throw thrown;
      return await reply.redirect('/#sign-in=unreachable', 303);
    }
  });

  app.get(`${PATH}/callback`, { config: { open: true, ...STRICT } }, async (request, reply) => {
    const state = cookieOf(request, STATE);
    keep(request, reply, '', 0);
    const outcome = await identity.finishProvider({
      url: new URL(request.url, home(request)),
      state,
      from: request.ip,
      userAgent: request.headers['user-agent'],
    });
    if ('problem' in outcome) return await reply.redirect(`/#sign-in=${outcome.problem}`, 303);
    setSession(reply, outcome.session, outcome.expiresAt, home(request));
    return await reply.redirect('/', 303);
  });
}
