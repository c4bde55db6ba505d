import { setTimeout as sleep } from 'node:timers/promises';
import type { Check, ProbeResult, Prober } from '../../core/check.ts';
import { ms } from '../../core/duration.ts';
import type { Resource } from '../../core/resource.ts';

const LOOK_EVERY_MS = 500;
const OWN_ADDRESS = /^(127\.|0\.0\.0\.0$|::1?$|localhost$)/;

export function answers({ state }: ProbeResult): boolean {
  return state === 'up' || state === 'degraded';
}

/** A container's own address is another one after a restart; what it publishes on the machine stays, and so does what somebody configured. */
export function lasting(checks: readonly Check[], { supervisor }: Pick<Resource, 'supervisor'>): Check[] {
  if (supervisor.kind !== 'docker') return [...checks];
  return checks.filter(({ origin, target }) => origin === 'configured' || OWN_ADDRESS.test(hostOf(target)));
}

function hostOf(target: Check['target']): string {
  if (target.kind === 'http') return new URL(target.url).hostname.replace(/^\[|\]$/g, '');
  return 'host' in target ? target.host : 'localhost';
}

/**
 * What is asked by now, and what was asked before the restart: a port that did not come back must not be left out
 * because discovery no longer sees it. What a plan keeps is without secrets, so the checks of now come first.
 */
export function together(before: readonly Check[], now: readonly Check[]): Check[] {
  const known = new Map(now.map((check) => [check.id, check]));
  return [...before.map((check) => known.get(check.id) ?? check), ...now].filter(
    (check, index, all) => all.findIndex(({ id }) => id === check.id) === index,
  );
}

export async function probeAll(
  checks: readonly Check[],
  prober: Prober,
  { atMostMs = Infinity, signal }: { atMostMs?: number; signal: AbortSignal },
): Promise<ProbeResult[]> {
  return await Promise.all(
    checks.map(({ target, timeout, slow }) =>
      prober.probe(target, { timeoutMs: Math.min(ms(timeout), atMostMs), slowMs: ms(slow), signal }),
    ),
  );
}

/** Asks all of them until each has answered in one round, or the time is up; the results of the last round. */
export async function waitForAnswers(
  checks: readonly Check[],
  prober: Prober,
  { withinMs, signal }: { withinMs: number; signal: AbortSignal },
): Promise<ProbeResult[]> {
  // The looks count too: what does not answer takes as long as its timeout.
  for (const until = performance.now() + withinMs; ;) {
    const results = await probeAll(checks, prober, { signal });
    if (results.every(answers) || performance.now() >= until) return results;
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}
