import { readFileSync } from 'node:fs';
import { Readable } from 'node:stream';
import cors from '@fastify/cors';
import helmet from '@fastify/helmet';
import rateLimit from '@fastify/rate-limit';
import websocket from '@fastify/websocket';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { may } from '../../core/actor.ts';
import type { AuditLog } from '../../core/audit.ts';
import type { Catalog } from '../../core/catalog.ts';
import { StewardError } from '../../core/errors.ts';
import type { Identity } from '../../core/identity.ts';
import type { Log } from '../../core/log.ts';
import type { RunService } from '../../core/run-service.ts';
import { createLive, type EventSource, type LiveSettings } from '../live/index.ts';
import { LIVE_MESSAGE_BYTES, mountLive, STREAM } from './live.ts';
import { type JsonSchema, fromTexts } from '../json-schema.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';
import { type Manifest, MANIFEST_PATH } from '../manifest.ts';
import { manifestOf, workflowsOf } from '../manifest-of.ts';
import { perform, performDownload } from '../perform.ts';
import { authenticate, callOf, SAFE } from './access.ts';
import type { Page } from '../page/index.ts';
import { assertMayBind, listen, type Listening } from './bind.ts';
import { type Dashboard, mountDashboard } from './dashboard.ts';
import { deprecatedAlias, deprecation } from './deprecated.ts';
import { mountLater } from './later.ts';
import { asStewardError, sendFailure } from './failures.ts';
import { openapi } from './openapi.ts';
import { API, type Route, routesOf } from './routes.ts';
import { refusedRequests } from './refused-requests.ts';
import { mountRuns } from './runs.ts';
import { mountProviderSignIn } from './provider-sign-in.ts';
import type { RestSettings } from './settings.ts';
import { mountSignIn } from './sign-in.ts';

export interface RestDeps {
  readonly catalog: Catalog;
  readonly runs: RunService;
  readonly identity: Identity;
  readonly audit: AuditLog;
  readonly events: EventSource;
  readonly live?: LiveSettings;
  readonly settings: RestSettings;
  /** Without one there is the API alone. */
  readonly page?: Page | undefined;
  /** What else answers on this listener, behind the same credentials and limits. */
  readonly mounts?: readonly ((app: FastifyInstance) => void)[];
  readonly version: string;
  readonly now: () => Date;
  readonly log: Log;
}

export interface Rest {
  /** PORT_IN_USE where somebody else has the port, PRECONDITION_FAILED where the address is public and unprotected. */
  listen(): Promise<Listening>;
  close(): Promise<void>;
  readonly app: FastifyInstance;
}

const BODY_LIMIT = 1_048_576;
/** For a document that is opened and not saved: its own style, and nothing else. */
const SHUT_IN =
  "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; sandbox";

/** The API and the page, mounted from the catalog. */
export function createRest(deps: RestDeps): Rest {
  const { catalog, identity, audit, settings, log, now } = deps;
  assertMayBind(settings);
  const routes = routesOf(catalog);
  const origins = settings.publicUrl === undefined ? [] : [new URL(settings.publicUrl).origin];
  const app = fastify({
    bodyLimit: BODY_LIMIT,
    // A page left open, or a stream, must not keep Steward from stopping.
    forceCloseConnections: true,
    trustProxy: settings.trustedProxies && settings.trustedProxies.length > 0 ? [...settings.trustedProxies] : false,
    exposeHeadRoutes: false,
    genReqId: () => crypto.randomUUID(),
    requestTimeout: 60_000,
    routerOptions: { maxParamLength: 500 },
    frameworkErrors: (error, request, reply) => void sendFailure(error, request, reply as never, log),
    ...(settings.tls && { https: { cert: readFileSync(settings.tls.cert), key: readFileSync(settings.tls.key) } }),
  }) as FastifyInstance;
  const live = createLive({
    ...deps.live,
    events: deps.events,
    log,
    stillAllowed: (request) =>
      authenticate(request, identity, origins).then(
        (actor) => may(actor, 'read', STREAM),
        () => false,
      ),
  });

  app.decorateRequest('actor', undefined);
  app.decorateRequest('pageOrigin', undefined);
  const noteRefused = refusedRequests({ audit, now });
  app.setErrorHandler(async (thrown, request, reply) => {
    await noteRefused(request, thrown, asStewardError(thrown)).catch((failed: unknown) =>
      log.error('refused request not audited', { requestId: request.id, reason: StewardError.from(failed).message }),
    );
    return sendFailure(thrown, request, reply, log);
  });
  let dashboard: Dashboard | undefined;
  app.setNotFoundHandler(async (request, reply) => {
    if (dashboard?.isPage(request)) return await dashboard.send(request, reply);
    // Nobody has to say who they are to be told that there is nothing; who tried to change it there is for the record.
    if (!SAFE.has(request.method))
      request.actor = await authenticate(request, identity, origins).catch(() => undefined);
    const allowed = methodsAt(request.url.split('?')[0] ?? '', mounted);
    if (allowed.length === 0) {
      throw new StewardError(
        'NOT_FOUND',
        `There is nothing at ${request.method} ${(request.url.split('?')[0] ?? '').slice(0, 200)}.`,
        { hint: `Everything there is stands in ${API}/openapi.json.` },
      );
    }
    void reply.header('allow', allowed.join(', '));
    throw new StewardError('METHOD_NOT_ALLOWED', `${request.method} is not what this address is for.`, {
      hint: `Use ${allowed.join(' or ')}.`,
    });
  });
  app.removeAllContentTypeParsers();
  const parseJson = app.getDefaultJsonParser('error', 'error');
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
    if (body === '') done(null, undefined);
    else void parseJson(request, body as string, done);
  });

  const tellDeprecated = deprecation(log);
  const mounted: { method: string; pattern: RegExp }[] = [];
  app.addHook('onRoute', ({ method, url }) => {
    // It takes whatever nobody else does, so it says nothing about what an address is for.
    if (url === '/:type') return;
    const pattern = new RegExp(
      `^${url.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`).replaceAll(/:[^/]+/g, '[^/]+')}$`,
    );
    for (const each of [method].flat()) if (each !== 'OPTIONS') mounted.push({ method: each, pattern });
  });
  // Before the hook that may refuse: a refused upgrade is then known as one, and its connection closed.
  void app.register(websocket, { options: { maxPayload: LIVE_MESSAGE_BYTES } }).after(() => {
    app.addHook('onRequest', async (request, reply) => {
      void reply.header('x-request-id', request.id);
      if (request.url.startsWith('/api/')) void reply.header('cache-control', 'no-store');
      if (request.is404 || request.routeOptions.config.open) return;
      request.actor = await authenticate(request, identity, origins);
    });
  });

  void app.register(helmet, {
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        imgSrc: ["'self'", 'data:'],
        fontSrc: ["'self'"],
        connectSrc: ["'self'"],
        formAction: ["'self'"],
        baseUri: ["'none'"],
        frameAncestors: ["'none'"],
      },
    },
    hsts: settings.tls ? { maxAge: 15_552_000 } : false,
    // Meaningless and warned about on plain http, which loopback is.
    crossOriginOpenerPolicy: settings.tls ? { policy: 'same-origin' } : false,
    originAgentCluster: settings.tls !== undefined,
  });
  if (settings.corsOrigins && settings.corsOrigins.length > 0) {
    void app.register(cors, {
      origin: [...settings.corsOrigins],
      methods: ['GET', 'POST'],
      allowedHeaders: [
        'authorization',
        'content-type',
        'idempotency-key',
        'last-event-id',
        'mcp-protocol-version',
        'mcp-method',
        'mcp-name',
        'x-steward-toolsets',
        'x-steward-readonly',
      ],
      exposedHeaders: ['location', 'x-request-id'],
    });
  }
  void app.register(rateLimit, {
    max: settings.requestsPerMinute ?? 600,
    timeWindow: 60_000,
    keyGenerator: (request) => request.actor?.session ?? request.actor?.id ?? request.ip,
    errorResponseBuilder: (_request, { after }) =>
      new StewardError('RATE_LIMITED', 'Too many requests.', { hint: `Try again in ${after}.` }),
  });
  void app.register(async (scope) => {
    scope.route({
      method: ['GET', 'HEAD'],
      url: `${API}/health`,
      config: { open: true, rateLimit: false },
      handler: async () => ({ status: 'alive' }),
    });
    let description: object | undefined;
    scope.get(`${API}/openapi.json`, async () => (description ??= openapi(catalog, deps.version)));
    // Workflows come and go with the configuration; everything else is as it was at the start.
    let commands: Manifest | undefined;
    scope.get(MANIFEST_PATH, async () => ({
      ...(commands ??= manifestOf(catalog)),
      workflows: workflowsOf(catalog),
    }));
    mountLive(scope, { live, origins, audit, now });
    if (deps.page) dashboard = mountDashboard(scope, deps.page);
    mountSignIn(scope, { identity, origins });
    mountProviderSignIn(scope, { identity, origins });
    mountRuns(scope, deps);
    for (const route of routes) mountOperation(scope, route);
    mountLater(scope, routes, { audit, now, tellDeprecated });
    for (const mount of deps.mounts ?? []) mount(scope);
  });

  function mountOperation(scope: FastifyInstance, route: Route): void {
    const schema = jsonSchemaOf(route.operation.input, 'input');
    const handler = async (request: FastifyRequest, reply: FastifyReply): Promise<unknown> => {
      const { operation } = route;
      const input = inputOf(request, route, schema);
      if (operation.kind !== 'query' || !operation.download)
        return (await perform(operation, input, callOf(request, now()), audit)) ?? null;
      const { download } = operation;
      const file = await performDownload({ ...operation, download }, input, callOf(request, now()), audit);
      if (file.opens) void reply.header('content-security-policy', SHUT_IN);
      const way = file.opens ? 'inline' : 'attachment';
      void reply.header('content-disposition', `${way}; filename="${file.fileName}"`).type(file.contentType);
      return Readable.from(file.chunks);
    };
    const url = (path: string): string => path.replaceAll(/\{([^}]+)\}/g, ':$1');
    scope.route({ method: route.method, url: url(route.path), handler });
    const alias = deprecatedAlias(route.path);
    if (alias === undefined) return;
    scope.route({
      method: route.method,
      url: url(alias),
      handler: async (request, reply) => {
        tellDeprecated(request, reply);
        return await handler(request, reply);
      },
    });
  }

  return {
    app,
    async listen() {
      return await listen(app, settings);
    },
    async close() {
      live.close();
      await app.close();
    },
  };
}

function inputOf(request: FastifyRequest, { method, parameters }: Route, schema: JsonSchema): unknown {
  const given =
    method === 'GET' ? fromQuery(request.query as Record<string, string | string[]>, schema) : (request.body ?? {});
  if (parameters.length === 0 || given === null || typeof given !== 'object' || Array.isArray(given)) return given;
  const path = request.params as Record<string, string>;
  return { ...given, ...fromQuery(Object.fromEntries(parameters.map((name) => [name, path[name] ?? ''])), schema) };
}

function fromQuery(query: Record<string, string | string[]>, schema: JsonSchema): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(query).map(([name, value]) => [name, fromTexts([value].flat(), schema.properties?.[name] ?? {})]),
  );
}

function methodsAt(path: string, mounted: readonly { method: string; pattern: RegExp }[]): string[] {
  return [...new Set(mounted.filter(({ pattern }) => pattern.test(path)).map(({ method }) => method))];
}
