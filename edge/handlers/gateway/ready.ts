import type { Limits, Route } from './routes.ts';
import { forgivingly, mayBeReadOtherwise, readTarget } from './target.ts';

/** Routes, sorted and read once for many requests. */
export interface ReadyRoutes {
  readonly find: (host: string, path: string, method: string) => Found;
  /** Hold for what no route takes. */
  readonly limits: Limits;
}

export interface ReadyRoute {
  readonly route: Route;
  /** Without a slash at its end; empty for everything. */
  readonly prefix: string;
  /** The prefix as the most forgiving server would read it. */
  readonly forgiving: string;
  /** Those that carry a key: meant for the gateway, and of no use to who is behind it. */
  readonly keyHeaders: readonly string[];
}

/** The one echoes what the gateway adds, the other asks for a tunnel. */
const ONLY_WHERE_SAID = new Set(['TRACE', 'TRACK', 'CONNECT']);

export type Found =
  | { readonly is: 'route'; readonly ready: ReadyRoute }
  | { readonly is: 'none' }
  | { readonly is: 'method'; readonly allow: readonly string[]; readonly ready: ReadyRoute }
  /** Read by another server it would be for another route. */
  | { readonly is: 'ambiguous' };

export function readyRoutes(routes: readonly Route[], limits: Limits): ReadyRoutes {
  const inOrder = routes.map(ready).sort((a, b) => rankOf(b) - rankOf(a));
  // Routes of one host and path share it by method; a shorter path does not take what the longer one refuses.
  const sharing = new Map(
    inOrder.map((one) => [
      one,
      inOrder.filter(({ route, prefix }) => prefix === one.prefix && route.host === one.route.host),
    ]),
  );

  function lookUp(host: string, path: string, as: 'prefix' | 'forgiving', method: string): Found {
    const first = inOrder.find((each) => hostMatches(each.route.host, host) && isBelow(path, each[as]));
    if (!first) return { is: 'none' };
    const all = sharing.get(first) ?? [];
    const taken = all.find(({ route: { methods } }) => methods?.includes(method) ?? !ONLY_WHERE_SAID.has(method));
    if (taken) return { is: 'route', ready: taken };
    return { is: 'method', allow: all.flatMap(({ route: { methods } }) => methods ?? []), ready: first };
  }

  return {
    limits,
    find(host, path, method) {
      const found = lookUp(host, path, 'prefix', method);
      if (!mayBeReadOtherwise(path)) return found;
      const forgiving = lookUp(host, forgivingly(path), 'forgiving', method);
      return placeOf(found) === placeOf(forgiving) ? found : { is: 'ambiguous' };
    },
  };
}

function ready(route: Route): ReadyRoute {
  const target = readTarget(route.path);
  if (!target || target.query !== '')
    throw new TypeError(`The path of the route ${route.name} cannot be asked for: ${route.path}`);
  const prefix = target.path.replace(/\/+$/, '');
  const keyHeaders = route.auth.flatMap((auth) =>
    auth.is === 'keys' && auth.header !== 'authorization' ? [auth.header] : [],
  );
  return { route, prefix, forgiving: forgivingly(prefix), keyHeaders };
}

function placeOf(found: Found): string {
  return 'ready' in found ? `${found.ready.route.host ?? ''}${found.ready.prefix}` : found.is;
}

function isBelow(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && (path.length === prefix.length || path[prefix.length] === '/');
}

function hostMatches(wanted: string | undefined, host: string): boolean {
  if (wanted === undefined) return true;
  return wanted.startsWith('*.') ? host.endsWith(wanted.slice(1)) && host.length > wanted.length - 1 : host === wanted;
}

/** A host by name stands before a pattern, a pattern before any host; then the longer host, then the longer path. */
function rankOf({ route: { host, methods }, prefix }: ReadyRoute): number {
  const kind = host === undefined ? 0 : host.startsWith('*.') ? 1 : 2;
  return kind * 1e10 + (host?.length ?? 0) * 1e6 + prefix.length * 2 + (methods ? 1 : 0);
}
