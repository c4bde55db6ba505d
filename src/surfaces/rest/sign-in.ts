import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type Actor, permissionsOf } from '../../core/actor.ts';
import type { Identity, SignedIn } from '../../core/identity.ts';
import { parseInput } from '../input.ts';
import { assertOwnOrigin, clearSession, originOf, sessionOf, setSession } from './access.ts';
import { PasskeySignInRequest, SetUpRequest, SignInRequest } from './requests.ts';
import { API } from './routes.ts';

/** Guessing is braked by the lock-out; this keeps a flood from making the server compute passwords all day. */
const STRICT = {
  rateLimit: { max: 20, timeWindow: 60_000, keyGenerator: (request: FastifyRequest) => `sign-in:${request.ip}` },
};

export function mountSignIn(
  app: FastifyInstance,
  { identity, origins }: { identity: Identity; origins: readonly string[] },
): void {
  const about = (request: FastifyRequest) => ({ from: request.ip, userAgent: request.headers['user-agent'] });
  const signIn = (request: FastifyRequest, reply: FastifyReply, { actor, session, expiresAt }: SignedIn) => {
    setSession(reply, session, expiresAt, originOf(request, origins));
    return whoAmI(actor);
  };

  app.get(`${API}/sign-in`, { config: { open: true } }, (request) =>
    identity.waysIn({ origin: originOf(request, origins) }),
  );
  app.post(`${API}/login`, { config: { open: true, ...STRICT } }, async (request, reply) => {
    assertOwnOrigin(request, origins, 'allowed');
    return signIn(
      request,
      reply,
      await identity.login({ ...parseInput(SignInRequest, request.body ?? {}), ...about(request) }),
    );
  });
  app.post(`${API}/login/passkey/challenge`, { config: { open: true, ...STRICT } }, async (request) => {
    assertOwnOrigin(request, origins, 'allowed');
    return { options: await identity.passkeyChallenge({ origin: originOf(request, origins) }) };
  });
  app.post(`${API}/login/passkey`, { config: { open: true, ...STRICT } }, async (request, reply) => {
    assertOwnOrigin(request, origins, 'allowed');
    return signIn(
      request,
      reply,
      await identity.loginWithPasskey({ ...parseInput(PasskeySignInRequest, request.body ?? {}), ...about(request) }),
    );
  });
  app.get(`${API}/setup`, { config: { open: true } }, async () => ({ pending: await identity.setUpPending() }));
  app.post(`${API}/setup`, { config: { open: true, ...STRICT } }, async (request, reply) => {
    assertOwnOrigin(request, origins, 'allowed');
    return signIn(
      request,
      reply,
      await identity.setUp({ ...parseInput(SetUpRequest, request.body ?? {}), ...about(request) }),
    );
  });
  app.post(`${API}/logout`, { config: { open: true } }, async (request, reply) => {
    assertOwnOrigin(request, origins, 'allowed');
    const session = sessionOf(request);
    const { redirect } =
      session === undefined ? {} : await identity.logout(session, { origin: originOf(request, origins) });
    clearSession(reply);
    if (redirect === undefined) return await reply.code(204).send();
    return { redirect };
  });
  app.get(`${API}/me`, async (request) => whoAmI(request.actor as Actor));
}

function whoAmI(actor: Actor) {
  const { kind, id, name, role, session, scope } = actor;
  return { kind, id, name, role, signedIn: session !== undefined, permissions: permissionsOf(actor), scope };
}
