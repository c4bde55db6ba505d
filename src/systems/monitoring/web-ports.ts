import type { Check, Prober } from '../../core/check.ts';
import { type WebPorts, watchedEndpoints, webTarget } from '../../core/default-checks.ts';
import type { Resource } from '../../core/resource.ts';

export interface WebPortFinder {
  /** The ports of a resource that answer as HTTP, asked or remembered from its checks so far. */
  find(resource: Resource, checks: readonly Check[]): Promise<WebPorts>;
}

const TRIES = 3;
const WITHIN_MS = 2_000;

/**
 * Discovery says that a service speaks HTTP, not on which of its ports. Each is asked once it answers; one that answers
 * with less than 500 is watched with HTTP from then on, also while it is closed.
 */
export function createWebPortFinder(prober: Prober, signal: AbortSignal): WebPortFinder {
  const known = new Map<string, Map<number, 'http' | 'https'>>();
  const tries = new Map<string, number>();

  /** The status of an answer that is good enough to be expected again. */
  async function greet(scheme: 'http' | 'https', host: string, port: number): Promise<number | undefined> {
    const { state, detail } = await prober.probe(webTarget(scheme, host, port), {
      timeoutMs: WITHIN_MS,
      slowMs: WITHIN_MS,
      signal,
    });
    return state === 'up' || state === 'degraded' ? Number(detail['status']) : undefined;
  }

  async function ask(resourceId: string, host: string, port: number): Promise<'http' | 'https' | undefined> {
    const key = `${resourceId} ${port}`;
    const tried = tries.get(key) ?? 0;
    if (tried >= TRIES) return undefined;
    const plain = await greet('http', host, port);
    // A TLS port answers plain HTTP not at all, or with 400 and a hint.
    if (plain !== undefined && plain !== 400) return 'http';
    if ((await greet('https', host, port)) !== undefined) return 'https';
    if (plain !== undefined) return 'http';
    tries.set(key, tried + 1);
    return undefined;
  }

  return {
    async find(resource, checks) {
      const web = known.get(resource.id) ?? new Map<number, 'http' | 'https'>();
      known.set(resource.id, web);
      for (const { target, origin } of checks) {
        if (target.kind !== 'http' || origin !== 'discovered') continue;
        const { port, protocol } = new URL(target.url);
        const scheme = protocol === 'https:' ? 'https' : 'http';
        web.set(Number(port) || (scheme === 'https' ? 443 : 80), scheme);
      }
      if (!resource.evidence.some(({ source }) => source === 'http')) return web;
      await Promise.all(
        watchedEndpoints(resource).map(async ({ host, port }) => {
          if (web.has(port)) return;
          const scheme = await ask(resource.id, host, port);
          if (scheme) web.set(port, scheme);
        }),
      );
      return web;
    },
  };
}
