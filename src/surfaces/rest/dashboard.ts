import { randomBytes } from 'node:crypto';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Page } from '../page/index.ts';

const ASSETS = '/assets/';
const YEAR_MS = 31_536_000_000;

export interface Dashboard {
  /** The document, where a browser asks for a page of it. */
  send(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply>;
  /** Whether somebody goes to a page by its address, rather than asking the API for what is not there. */
  isPage(request: FastifyRequest): boolean;
}

/** The dashboard: one document under every address of its pages, and the parts it is made of. */
export function mountDashboard(scope: FastifyInstance, page: Page): Dashboard {
  const dashboard: Dashboard = {
    async send(_request, reply) {
      const nonce = randomBytes(16).toString('base64');
      const policy = String(reply.getHeader('content-security-policy') ?? '');
      return await reply
        .header('content-security-policy', policy.replace("style-src 'self'", `style-src 'self' 'nonce-${nonce}'`))
        .header('content-type', 'text/html; charset=utf-8')
        .header('cache-control', 'no-store')
        .send(page.html(nonce));
    },
    isPage: ({ method, url, headers }) =>
      (method === 'GET' || method === 'HEAD') &&
      !/^\/(?:api|auth|gateway|internal|mcp|assets)(?:\/|$|\?)/.test(url) &&
      headers.accept?.includes('text/html') === true,
  };
  // The set-up link carries its token behind the #, which no server ever sees.
  for (const url of ['/', '/setup'])
    scope.route({ method: ['GET', 'HEAD'], url, config: { open: true }, handler: dashboard.send });
  if (page.assets !== undefined)
    void scope.register(async (assets) => {
      assets.addHook('onRoute', (route) => {
        route.config = { ...(route.config ?? { url: route.url, method: route.method }), open: true, rateLimit: false };
      });
      await assets.register(fastifyStatic, {
        root: page.assets ?? '',
        prefix: ASSETS,
        decorateReply: false,
        preCompressed: true,
        immutable: true,
        maxAge: YEAR_MS,
        index: false,
      });
    });
  return dashboard;
}
