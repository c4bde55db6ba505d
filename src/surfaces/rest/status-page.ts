import { randomBytes } from 'node:crypto';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { AuditLog } from '../../core/audit.ts';
import { StewardError } from '../../core/errors.ts';
import type { Identity } from '../../core/identity.ts';
import type { StatusPage } from '../../core/status-page.ts';
import { assertMay } from '../perform.ts';
import { badge } from '../documents/badge.ts';
import { statusPageHtml } from '../documents/status-page.ts';
import { authenticate, callOf } from './access.ts';

export interface StatusPageMount {
  readonly pages: { current(): Promise<StatusPage>; everything(): Promise<StatusPage> };
  readonly identity: Identity;
  readonly audit: AuditLog;
  readonly now: () => Date;
}

const RATE = { rateLimit: { max: 120, timeWindow: 60_000, keyGenerator: ({ ip }: FastifyRequest) => `status:${ip}` } };

/**
 * The status page and its badges. Where the configuration makes it public it answers anybody, and else whoever may read. That
 * can change while Steward runs, so each request asks.
 */
export function mountStatusPage(app: FastifyInstance, { pages, identity, audit, now }: StatusPageMount): void {
  async function assertMayRead(request: FastifyRequest): Promise<void> {
    request.actor = await authenticate(request, identity, []);
    await assertMay(callOf(request, now()), 'read', { kind: 'operation', id: 'status-page' }, audit);
  }
  async function seenBy(request: FastifyRequest): Promise<StatusPage> {
    const current = await pages.current();
    if (!current.public) await assertMayRead(request);
    return current;
  }
  const get = (url: string, handler: (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>): void =>
    void app.route({ method: ['GET', 'HEAD'], url, config: { open: true, ...RATE }, handler });
  const document = (url: string, look: (request: FastifyRequest) => Promise<StatusPage>): void =>
    get(url, async (request, reply) => {
      try {
        const page = await look(request);
        return asksForJson(request) ? sent(reply, page).send(page) : html(sent(reply, page), page);
      } catch (thrown) {
        // Who came by a browser signs in there, and comes back.
        const unknown = thrown instanceof StewardError && thrown.code === 'UNAUTHENTICATED';
        if (unknown && request.headers.accept?.includes('text/html')) return await reply.redirect('/', 302);
        throw thrown;
      }
    });

  document('/status', seenBy);
  document('/dashboard/automation-status.html', async (request) => {
    await assertMayRead(request);
    return await pages.everything();
  });
  get('/status.json', async (request, reply) => {
    const page = await seenBy(request);
    return sent(reply, page).send(page);
  });
  get('/status/badge/:name', async (request, reply) => {
    const page = await seenBy(request);
    const name = (request.params as { name: string }).name.replace(/\.svg$/, '');
    const service = page.services.find((each) => each.name === name);
    if (!service) throw new StewardError('NOT_FOUND', 'The status page shows no service of that name.');
    return await sent(reply, page)
      // A README shows it that is served by somebody else.
      .header('cross-origin-resource-policy', page.public ? 'cross-origin' : 'same-origin')
      .header('content-security-policy', "default-src 'none'; sandbox")
      .type('image/svg+xml; charset=utf-8')
      .send(badge(service));
  });
}

function asksForJson({ headers: { accept = '' } }: FastifyRequest): boolean {
  return accept.includes('application/json') && !accept.includes('text/html');
}

function html(reply: FastifyReply, page: StatusPage): FastifyReply {
  const nonce = randomBytes(16).toString('base64');
  const policy = `default-src 'none'; style-src 'nonce-${nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`;
  return reply
    .header('content-security-policy', policy)
    .type('text/html; charset=utf-8')
    .send(statusPageHtml(page, { nonce }));
}

function sent(reply: FastifyReply, { public: open }: StatusPage): FastifyReply {
  return reply.header('cache-control', open ? 'public, max-age=15' : 'private, no-store').header('vary', 'accept');
}
