import type { Config } from '../config/schema.ts';
import type { Gateway } from '../config/schema-gateway.ts';
import { ms } from '../core/duration.ts';
import type { ConfiguredAuth, ConfiguredRoute, GatewaySettings } from '../systems/gateway/index.ts';

/** steward.yaml, in the words of the gateway. */
export function gatewaySettings({ gateway, server }: Config): GatewaySettings {
  const auth = new Map(Object.entries(gateway.auth).map(([name, way]) => [name, authOf(way)]));
  return {
    place: { host: gateway.host, port: gateway.port, tls: gateway.tls },
    routes: Object.entries(gateway.routes).map(([name, route]) => routeOf(name, route, gateway, auth)),
    limits: limitsOf(gateway.limits),
    upstreams: Object.fromEntries(
      Object.entries(gateway.upstreams).map(
        ([name, { targets, connectTimeout, idleTimeout, concurrency, ...rest }]) => [
          name,
          { targets, connectMs: ms(connectTimeout), idleMs: ms(idleTimeout), mostAtOnce: concurrency, ...rest },
        ],
      ),
    ),
    trustedProxies: server.trustedProxies,
    requestMs: ms(gateway.requestTimeout),
    drainMs: ms(gateway.drain),
  };
}

function routeOf(
  name: string,
  { host, methods, rewrite, limits, shadow, cors, timeout, auth: ways, ...rest }: Gateway['routes'][string],
  gateway: Gateway,
  auth: ReadonlyMap<string, ConfiguredAuth>,
): ConfiguredRoute {
  return {
    ...rest,
    name,
    auth: ways.flatMap((way) => auth.get(way) ?? []),
    limits: limitsOf({ ...gateway.limits, ...defined(limits) }),
    timeoutMs: ms(timeout),
    ...(host !== undefined && { host }),
    ...(methods && { methods }),
    ...(rewrite !== undefined && { rewrite }),
    ...(shadow && { shadow: defined(shadow) }),
    ...(cors && { cors: { ...cors, maxAgeSeconds: ms(cors.maxAge) / 1000 } }),
  };
}

function limitsOf({ windows, ...limits }: Gateway['limits']): GatewaySettings['limits'] {
  return { ...limits, windows: Object.entries(windows).map(([name, plans]) => ({ name, ms: ms(name), plans })) };
}

function authOf(way: Gateway['auth'][string]): ConfiguredAuth {
  switch (way.type) {
    case 'jwt': {
      const { type, tolerance, jwksUrl, allowHttp: _, ...rest } = way;
      return { is: type, toleranceSeconds: ms(tolerance) / 1000, ...(jwksUrl !== undefined && { jwksUrl }), ...rest };
    }
    case 'keys':
      return {
        is: way.type,
        header: way.header,
        keys: Object.entries(way.keys).map(([id, { plan, ...key }]) => ({
          id,
          ...key,
          ...(plan !== undefined && { plan }),
        })),
      };
    case 'remote':
      return {
        is: way.type,
        url: way.url,
        goodMs: ms(way.believeFor),
        badMs: ms(way.refuseFor),
        timeoutMs: ms(way.timeout),
      };
  }
}

/** Without what is not said, so that it does not stand in place of what is. */
function defined<T extends object>(partial: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(partial).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}
