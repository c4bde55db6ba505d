import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Actor, Trigger } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Identity } from '../../core/identity.ts';
import type { Call } from '../../core/operation.ts';

declare module 'fastify' {
  interface FastifyRequest {
    actor: Actor | undefined;
    /** Of the page that asks, once it is known who does. */
    pageOrigin: string | undefined;
  }
  interface FastifyContextConfig {
    /** Answers without a credential. */
    open?: boolean;
  }
}

const COOKIE = 'steward_session';
export const SAFE: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export function sessionOf(request: FastifyRequest): string | undefined {
  return cookieOf(request, COOKIE);
}

export function cookieOf(request: FastifyRequest, wanted: string): string | undefined {
  for (const pair of (request.headers.cookie ?? '').split(';')) {
    const [name, value] = pair.split('=', 2);
    if (name?.trim() === wanted && value) return value.trim();
  }
  return undefined;
}

/** `page` is the address as the browser knows it: where that is encrypted, the cookie goes nowhere else. */
export function setSession(reply: FastifyReply, session: string, expiresAt: Date, page: string): void {
  const secure = page.startsWith('https:') ? '; Secure' : '';
  void reply.header(
    'set-cookie',
    `${COOKIE}=${session}; Path=/; HttpOnly; SameSite=Strict; Expires=${expiresAt.toUTCString()}${secure}`,
  );
}

export function clearSession(reply: FastifyReply): void {
  void reply.header('set-cookie', `${COOKIE}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`);
}

/** Finds out who asks. A request that changes something and comes with a cookie must come from Steward's own pages. */
export async function authenticate(
  request: FastifyRequest,
  identity: Identity,
  origins: readonly string[],
): Promise<Actor> {
  const bearer = bearerOf(request);
  const session = bearer === undefined ? sessionOf(request) : undefined;
  if (session !== undefined && !SAFE.has(request.method)) assertOwnOrigin(request, origins, 'required');
  request.pageOrigin = originOf(request, origins);
  const actor = await identity.authenticate({ bearer, session, from: request.ip });
  if (actor) return actor;
  throw new StewardError('UNAUTHENTICATED', 'This needs a token or a session.', {
    hint: 'Send Authorization: Bearer stw_...; steward token create makes one.',
  });
}

function bearerOf(request: FastifyRequest): string | undefined {
  const { authorization } = request.headers;
  if (authorization === undefined) return undefined;
  const [scheme, token = ''] = authorization.split(' ', 2);
  if (scheme?.toLowerCase() === 'bearer') return token;
  throw new StewardError('UNAUTHENTICATED', 'The Authorization header is not a bearer token.', {
    hint: 'Send Authorization: Bearer stw_...',
  });
}

/** A page of somebody else must not act with the visitor's cookie, nor sign the visitor in as somebody else. */
export function assertOwnOrigin(
  request: FastifyRequest,
  origins: readonly string[],
  whenAbsent: 'required' | 'allowed',
): void {
  const { origin } = request.headers;
  if (origin === undefined) {
    if (whenAbsent === 'allowed' || request.headers['sec-fetch-site'] === 'same-origin') return;
  } else if (origin === `${request.protocol}://${request.host}` || origins.includes(origin)) return;
  throw new StewardError(
    'FORBIDDEN',
    `A request with a session came from ${origin === undefined ? 'an unnamed place' : origin.slice(0, 200)} instead of Steward's own page.`,
    {
      hint: 'Use a token for programs. Behind a proxy, set server.publicUrl to the address people use.',
    },
  );
}

export function callOf(request: FastifyRequest, now: Date): Call {
  if (!request.actor) throw new StewardError('UNAUTHENTICATED', 'This needs a token or a session.');
  return {
    actor: request.actor,
    now,
    from: request.ip,
    requestId: request.id,
    trigger: triggerOf(request),
    origin: request.pageOrigin,
  };
}

/**
 * The address of the page that asks, as its browser knows it: behind a proxy that ends TLS the request itself does not say. Where
 * there is an Origin, it was seen to be one of ours before anything came of it.
 */
export function originOf(request: FastifyRequest, origins: readonly string[]): string {
  const { origin } = request.headers;
  if (origin !== undefined) return origin;
  const configured = origins.find((each) => new URL(each).host === request.host);
  return configured ?? `${request.protocol}://${request.host}`;
}

/** What started a run that came in here. */
export function triggerOf(request: FastifyRequest): Trigger {
  if (request.actor?.session !== undefined) return 'dashboard';
  return request.headers['x-steward-surface'] === 'cli' ? 'cli' : 'api';
}
