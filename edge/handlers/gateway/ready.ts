import type { Route } from './routes.ts';

/** Routes in the order in which they are tried: hosts by name first, then the longer path. */
export interface ReadyRoutes {
  readonly inOrder: readonly ReadyRoute[];
}

export interface ReadyRoute {
  readonly route: Route;
  /** Without a slash at its end; empty for everything. */
  readonly prefix: string;
}

export function readyRoutes(routes: readonly Route[]): ReadyRoutes {
  const inOrder = routes.map((route) => ({ route, prefix: route.path.replace(/\/+$/, '') }));
  return { inOrder: inOrder.sort((a, b) => rankOf(b) - rankOf(a)) };
}

/** Whose host is said outranks whose host is a pattern, which outranks any; among those of one kind the longer path. */
function rankOf({ route: { host, methods }, prefix }: ReadyRoute): number {
  const kind = host === undefined ? 0 : host.startsWith('*.') ? 1 : 2;
  return kind * 1e9 + (host?.length ?? 0) * 1e6 + prefix.length * 2 + (methods ? 1 : 0);
}
