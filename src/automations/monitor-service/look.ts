import type { CheckTarget, ProbeResult, Prober } from '../../core/check.ts';
import { checkTargetsFor, describeTarget } from '../../core/default-checks.ts';
import type { Resource } from '../../core/resource.ts';

const TIMEOUT_MS = 5_000;
const AT_ONCE = 16;

export type Seen = ProbeResult['state'];

export interface Look {
  readonly state: Seen;
  readonly checks: { readonly target: string; readonly state: Seen; readonly message: string; readonly latencyMs: number; readonly depth: ProbeResult['depth'] }[];
}

/** One look at everything that tells how a service is. */
export async function lookAt(resource: Pick<Resource, 'supervisor' | 'endpoints' | 'product' | 'labels'>, prober: Prober, signal: AbortSignal): Promise<Look> {
  const targets: CheckTarget[] = checkTargetsFor(resource as Resource);
  const results = await Promise.all(targets.map((target) => prober.probe(target, { timeoutMs: TIMEOUT_MS, slowMs: TIMEOUT_MS, signal })));
  return {
    state: together(results.map(({ state }) => state)),
    checks: results.map(({ state, message, latencyMs, depth }, index) => ({ target: describeTarget(targets[index] as CheckTarget), state, message, latencyMs, depth })),
  };
}

/** What is stopped on purpose does not answer either; the worst of the rest decides. */
function together(states: readonly Seen[]): Seen {
  return (['stopped', 'down', 'unknown', 'degraded'] as const).find((state) => states.includes(state)) ?? (states.length === 0 ? 'unknown' : 'up');
}

/** A few at a time, in order. */
export async function inTurns<T, R>(items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const done: R[] = [];
  for (let start = 0; start < items.length; start += AT_ONCE) done.push(...(await Promise.all(items.slice(start, start + AT_ONCE).map(work))));
  return done;
}
