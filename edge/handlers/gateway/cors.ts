import type { Cors } from './routes.ts';

type HeaderValues = Readonly<Record<string, string>>;

/** What scripts may read of an answer besides what the route exposes: what the gateway itself says. */
const OF_THE_GATEWAY = [
  'x-request-id',
  'x-ratelimit-limit',
  'x-ratelimit-remaining',
  'ratelimit',
  'ratelimit-policy',
  'retry-after',
];

/** The gateway speaks for the upstream where a route says who may read. */
export const CORS_HEADERS = [
  'access-control-allow-origin',
  'access-control-allow-credentials',
  'access-control-allow-methods',
  'access-control-allow-headers',
  'access-control-expose-headers',
  'access-control-max-age',
];

export function isPreflight(method: string, header: (name: string) => string | undefined): boolean {
  return (
    method === 'OPTIONS' && header('origin') !== undefined && header('access-control-request-method') !== undefined
  );
}

/** Without the headers that allow it a browser does not ask, so an origin that may not gets none of them. */
export function preflightHeaders(cors: Cors, origin: string): HeaderValues {
  const allowed = allowance(cors, origin);
  if (!allowed) return { vary: VARY };
  return {
    ...allowed,
    'access-control-allow-methods': cors.methods.join(', '),
    ...(cors.headers.length === 0 ? {} : { 'access-control-allow-headers': cors.headers.join(', ') }),
    'access-control-max-age': String(cors.maxAgeSeconds),
    vary: VARY,
  };
}

/** What goes with every answer to an origin that may read it. */
export function readableBy(cors: Cors, origin: string | undefined): HeaderValues {
  const allowed = origin === undefined ? undefined : allowance(cors, origin);
  return allowed ? { ...allowed, 'access-control-expose-headers': [...cors.expose, ...OF_THE_GATEWAY].join(', ') } : {};
}

const VARY = 'Origin, Access-Control-Request-Method, Access-Control-Request-Headers';

function allowance({ origins, credentials }: Cors, origin: string): HeaderValues | undefined {
  if (origins.includes('*')) return { 'access-control-allow-origin': '*' };
  // A page from a file and a sandboxed frame call themselves null, whoever made them.
  if (origin === 'null' || !origins.includes(origin)) return undefined;
  return {
    'access-control-allow-origin': origin,
    ...(credentials ? { 'access-control-allow-credentials': 'true' } : {}),
  };
}
