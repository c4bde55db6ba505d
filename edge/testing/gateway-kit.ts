// What the suites of the gateway share: routes and requests of which a test says only what it is about.
import type { JwtAuth, KeysAuth, Limits, RemoteAuth, Route } from '../handlers/gateway/routes.ts';
import type { Step, Story, Told } from './gateway-story.ts';

export type Tell = (story: Story) => Promise<readonly Told[]>;

/** A busy machine takes long for thousands of requests. */
export const LONG = 120_000;

export const START = 1_800_000_000_000;
export const MINUTE = 60_000;
/** A minute, and how late a counter may let go. */
export const WINDOW = MINUTE + 250;

export const LIMITS: Limits = {
  anonymous: 100,
  failures: 20,
  plans: { free: 100, paid: 1000, enterprise: -1 },
  defaultPlan: 'free',
  per: 'gateway',
};

export function routeOf(path: string, rest: Partial<Route> = {}): Route {
  return {
    name: path,
    path,
    upstream: `upstream of ${path}`,
    auth: [],
    anonymous: false,
    scopes: [],
    limits: LIMITS,
    maxBodyBytes: 1_000_000,
    timeoutMs: 30_000,
    request: { set: {}, drop: [] },
    query: { set: {}, drop: [] },
    response: { set: {}, drop: [] },
    ...rest,
  };
}

type Asked = Partial<Omit<Step, 'headers'>> & { readonly headers?: Readonly<Record<string, string>> | Step['headers'] };

export function step({ headers = {}, ...rest }: Asked = {}): Step {
  return {
    at: START,
    method: 'GET',
    target: '/',
    host: 'api.example.org',
    address: '203.0.113.7',
    headers: isList(headers) ? headers : Object.entries(headers),
    ...rest,
  };
}

function isList(headers: NonNullable<Asked['headers']>): headers is Step['headers'] {
  return Array.isArray(headers);
}

export function story(routes: readonly Route[], steps: readonly Asked[], limits: Limits = LIMITS): Story {
  return { routes, limits, steps: steps.map(step) };
}

export const ISSUER = 'https://login.example.org';
export const JWKS = 'https://login.example.org/keys';
export const AUDIENCE = 'api';

export const JWT: JwtAuth = {
  is: 'jwt',
  issuer: ISSUER,
  audience: AUDIENCE,
  algorithms: ['RS256', 'ES256', 'EdDSA'],
  jwksUrl: JWKS,
  secrets: [],
  toleranceSeconds: 30,
  userClaim: 'sub',
  planClaim: 'plan',
};

export const REMOTE: RemoteAuth = {
  is: 'remote',
  url: 'https://accounts.example.org/auth/validate',
  goodMs: 60_000,
  badMs: 10_000,
  timeoutMs: 1_000,
};

export const KEYS: KeysAuth = { is: 'keys', header: 'x-api-key', keys: [] };

export function outcome({ verdict }: Told): string {
  if (verdict.is === 'forward') return `${verdict.upstream} ${verdict.target}`;
  return verdict.is === 'answer' ? 'preflight' : `${verdict.status} ${verdict.code}`;
}

/** What came of each. */
export function outcomesOf(tell: Tell) {
  return async (routes: readonly Route[], steps: Parameters<typeof story>[1]): Promise<string[]> =>
    (await tell(story(routes, steps))).map(outcome);
}

export function headersOf(told: Told | undefined): Readonly<Record<string, string>> {
  const { verdict } = there(told);
  return verdict.is === 'forward' ? verdict.response.set : verdict.headers;
}

export function sentOf(told: Told | undefined): Told['sent'] {
  return there(told).sent;
}

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('There was no verdict.');
  return value;
}
