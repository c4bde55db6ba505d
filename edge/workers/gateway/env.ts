import { readyRoutes, type ReadyRoutes } from '../../handlers/gateway/ready.ts';
import { type Auth, type JwtAuth, type Limits, type Route, SHORTEST_SECRET } from '../../handlers/gateway/routes.ts';
import { utf8 } from '../../handlers/encodings.ts';
import type { DurableObjects } from '../platform.ts';

/** Bindings, variables and secrets: wrangler.jsonc names them. */
export interface Env {
  readonly COUNTERS: DurableObjects;
  readonly GATEWAY: Settings;
}

/** What is left out is as the guide says. */
interface Settings {
  /** Origins by name. */
  readonly upstreams: Readonly<Record<string, string>>;
  readonly limits?: Partial<Limits>;
  readonly routes: readonly RouteSettings[];
}

type RouteSettings = Partial<Omit<Route, 'path' | 'upstream' | 'auth' | 'limits'>> &
  Pick<Route, 'path' | 'upstream'> & {
    readonly auth?: readonly AuthSettings[];
    readonly limits?: Partial<Limits>;
  };

/** The secrets of HS256 are secrets of the worker, by their names. */
type AuthSettings = Exclude<Auth, JwtAuth> | TokenSettings;
type TokenSettings = Omit<JwtAuth, 'secrets' | 'incomplete'> & { readonly secrets?: readonly string[] };

export interface Ready {
  readonly routes: ReadyRoutes;
  readonly upstreams: Readonly<Record<string, string>>;
}

export const LIMITS: Limits = {
  anonymous: 100,
  failures: 20,
  plans: { free: 100, paid: 1_000, enterprise: -1 },
  defaultPlan: 'free',
  per: 'gateway',
};
const MAX_BODY_BYTES = 10 * 1024 * 1024;
const TIMEOUT_MS = 30_000;
const NOTHING = { set: {}, drop: [] };

/** Routes are read once for each environment, not for each request: what was found out about callers is remembered by them. */
const known = new WeakMap<Env, Ready>();

export function readyOf(env: Env): Ready {
  let ready = known.get(env);
  if (!ready) {
    const { upstreams, routes, limits: own = {} } = env.GATEWAY;
    const limits = { ...LIMITS, ...own };
    ready = {
      upstreams,
      routes: readyRoutes(
        routes.map((route) => routeOf(route, limits, env)),
        limits,
      ),
    };
    known.set(env, ready);
  }
  return ready;
}

function routeOf({ auth = [], limits = {}, ...route }: RouteSettings, common: Limits, env: Env): Route {
  return {
    name: route.path,
    anonymous: false,
    scopes: [],
    maxBodyBytes: MAX_BODY_BYTES,
    timeoutMs: TIMEOUT_MS,
    request: NOTHING,
    query: NOTHING,
    response: NOTHING,
    ...route,
    auth: auth.map((each) => (each.is === 'jwt' ? tokensOf(each, env) : each)),
    limits: { ...common, ...limits },
  };
}

/** A secret that is missing closes nothing but what it would have opened, and is said once. */
function tokensOf({ secrets: names = [], ...rest }: TokenSettings, env: Env): JwtAuth {
  const secrets = names.flatMap((name) => {
    const secret: unknown = Reflect.get(env, name);
    if (typeof secret === 'string' && utf8.encode(secret).length >= SHORTEST_SECRET) return [secret];
    console.error(`there is no secret ${name} of ${SHORTEST_SECRET} bytes: wrangler secret put ${name}`);
    return [];
  });
  return { ...rest, secrets, ...(secrets.length < names.length && { incomplete: true }) };
}
