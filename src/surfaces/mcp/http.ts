import { isIP } from 'node:net';
import { createMcpHandler, type McpHttpHandler } from '@modelcontextprotocol/server';
import { type NodeIncomingMessageLike, toWebRequest } from '@modelcontextprotocol/node';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { type Actor, ROLE_PERMISSIONS } from '../../core/actor.ts';
import { StewardError } from '../../core/errors.ts';
import { assertStorable } from '../input.ts';
import { createCrowd } from './crowd.ts';
import type { McpDeps } from './deps.ts';
import { createResources } from './resources.ts';
import { createMcpServer, type Session } from './server.ts';
import { createToolbox } from './toolbox.ts';

export interface McpSettings {
  readonly host: string;
  readonly publicUrl?: string | undefined;
  readonly corsOrigins?: readonly string[] | undefined;
}

export interface Mcp {
  /** The routes, on a listener that knows who asks. */
  mount(app: FastifyInstance): void;
  close(): Promise<void>;
}

/** `/sse` is what configurations call it that know of the older transport; Streamable HTTP answers there as well. */
const PATHS = ['/mcp', '/sse'];
const VALID_FOR_S = 60;
const SUBSCRIPTIONS = 32;
/** Of one credential: each may wait for half a minute. */
const CALLS_AT_ONCE = 24;
/** params, arguments, input, and the message itself. */
const AROUND_AN_INPUT = 4;

/** MCP over Streamable HTTP: 2026-07-28, and 2025-11-25 without sessions. */
export function createMcp(deps: McpDeps & { readonly settings: McpSettings }): Mcp {
  const { settings, log, now } = deps;
  const toolbox = createToolbox(deps);
  const resources = createResources(deps);
  const crowd = createCrowd(CALLS_AT_ONCE);
  const handler: McpHttpHandler = createMcpHandler(
    ({ authInfo }) => createMcpServer({ ...deps, toolbox, resources, crowd }, authInfo?.extra?.['session'] as Session),
    {
      maxSubscriptions: SUBSCRIPTIONS,
      onerror: (error) => log.debug('MCP request refused', { reason: error.message }),
    },
  );

  function sessionOf(request: FastifyRequest): Session {
    const { headers, query } = request;
    const asked = query as Record<string, string | string[] | undefined>;
    const one = (name: string): string | undefined => {
      const value = asked[name] ?? headers[`x-steward-${name}`];
      return value === undefined ? undefined : [value].flat().join(',');
    };
    const readOnly = one('readonly');
    return {
      call: { actor: atMostAgent(request.actor as Actor), from: request.ip, requestId: request.id },
      choice: toolbox.choose(one('toolsets'), readOnly !== undefined && !['0', 'false', ''].includes(readOnly)),
      userAgent: headers['user-agent'],
    };
  }

  return {
    mount(app) {
      for (const url of PATHS) {
        app.route({
          method: ['GET', 'POST', 'DELETE'],
          url,
          async handler(request, reply) {
            assertOwnHost(request, settings);
            // A page that is signed in must not be a way in for whoever else runs in the browser.
            if (request.headers.authorization === undefined)
              throw new StewardError('UNAUTHENTICATED', 'MCP needs a token; a session is not enough.', {
                hint: 'Send Authorization: Bearer stw_...; steward token create --role agent makes one.',
              });
            // Many at once would pass the limit of requests as one.
            if (Array.isArray(request.body))
              throw new StewardError('INPUT_INVALID', 'Several messages came as one.', { hint: 'Send one a request.' });
            assertStorable(request.body, AROUND_AN_INPUT);
            const session = sessionOf(request);
            const gone = new AbortController();
            reply.raw.once('close', () => gone.abort());
            return await handler.fetch(
              await toWebRequest(request.raw as NodeIncomingMessageLike, request.body ?? {}, { signal: gone.signal }),
              {
                ...(request.body !== undefined && { parsedBody: request.body }),
                authInfo: {
                  token: '',
                  clientId: session.call.actor.id,
                  scopes: [],
                  // Looked at anew with each request.
                  expiresAt: Math.floor(now().getTime() / 1_000) + VALID_FOR_S,
                  extra: { session },
                },
              },
            );
          },
        });
      }
    },
    close: () => handler.close(),
  };
}

/** Whatever the token could do elsewhere: here it is an agent's, with no permission that its role does not have anyway. */
export function atMostAgent({ session: _session, ...actor }: Actor): Actor {
  const own = actor.scope?.permissions ?? ROLE_PERMISSIONS[actor.role];
  const left = ROLE_PERMISSIONS.agent.filter(
    (permission) => own.includes(permission) && ROLE_PERMISSIONS[actor.role].includes(permission),
  );
  return { ...actor, role: 'agent', scope: { ...actor.scope, permissions: left } };
}

/** A name that somebody else's DNS points here, and a page of somebody else, are both no way in. */
function assertOwnHost(request: FastifyRequest, { host, publicUrl, corsOrigins = [] }: McpSettings): void {
  const names = new Set(['localhost', host, ...(publicUrl === undefined ? [] : [new URL(publicUrl).hostname])]);
  // An address cannot be rebound: it is what the client really connected to.
  const isOwn = (name: string): boolean => names.has(name) || isIP(name.replace(/^\[|\]$/g, '')) !== 0;
  const wanted = hostnameOf(`http://${request.headers.host ?? ''}`);
  if (wanted === undefined || !isOwn(wanted))
    throw new StewardError('FORBIDDEN', `${(wanted ?? 'An unnamed host').slice(0, 200)} is no name of this Steward.`, {
      hint: 'Set server.publicUrl to the address that clients use.',
    });
  const { origin } = request.headers;
  if (origin === undefined || corsOrigins.includes(origin)) return;
  const from = hostnameOf(origin);
  if (from === undefined || !(names.has(from) || isLoopback(from)))
    throw new StewardError('FORBIDDEN', `A page of ${origin.slice(0, 200)} asked.`, {
      hint: 'Add its origin to server.corsOrigins if it may.',
    });
}

function isLoopback(name: string): boolean {
  return name === '[::1]' || /^127(\.\d{1,3}){3}$/.test(name);
}

function hostnameOf(url: string): string | undefined {
  return URL.canParse(url) ? new URL(url).hostname : undefined;
}
