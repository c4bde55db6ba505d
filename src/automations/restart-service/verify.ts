import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckTarget, ProbeResult, Prober } from '../../core/check.ts';

const LOOK_EVERY_MS = 500;
const ANSWER_WITHIN_MS = 5_000;

export function answers({ state }: ProbeResult): boolean {
  return state === 'up' || state === 'degraded';
}

export async function probeAll(
  targets: readonly CheckTarget[],
  prober: Prober,
  { timeoutMs, signal }: { timeoutMs: number; signal: AbortSignal },
): Promise<ProbeResult[]> {
  return await Promise.all(targets.map((target) => prober.probe(target, { timeoutMs, slowMs: timeoutMs, signal })));
}

/** Asks all of them until each has answered in one round, or the time is up; the results of the last round. */
export async function waitForAnswers(
  targets: readonly CheckTarget[],
  prober: Prober,
  { withinMs, signal }: { withinMs: number; signal: AbortSignal },
): Promise<ProbeResult[]> {
  for (let waited = 0; ; waited += LOOK_EVERY_MS) {
    const results = await probeAll(targets, prober, { timeoutMs: ANSWER_WITHIN_MS, signal });
    if (results.every(answers) || waited >= withinMs) return results;
    await sleep(LOOK_EVERY_MS, undefined, { signal });
  }
}
