import { setTimeout as sleep } from 'node:timers/promises';
import type { CheckTarget, Prober, ProbeResult } from '../../core/check.ts';
import { describeTarget } from '../../core/describe-target.ts';

type Answer = Partial<ProbeResult> | ((target: CheckTarget) => Partial<ProbeResult>);

export interface FakeProber extends Prober {
  /** What every probe of a target answers from here on. */
  answer(target: CheckTarget, answer: Answer): void;
  /** The target hangs: its probes run into their time limit. */
  hang(target: CheckTarget): void;
  /** What everything else answers. */
  otherwise(answer: Answer): void;
  readonly probes: readonly CheckTarget[];
}

/** A prober that answers what it was told to: `up` where it was told nothing. */
export function fakeProber(): FakeProber {
  const answers = new Map<string, Answer>();
  const hanging = new Set<string>();
  const probes: CheckTarget[] = [];
  let rest: Answer = {};
  return {
    probes,
    answer(target, answer) {
      hanging.delete(keyOf(target));
      answers.set(keyOf(target), answer);
    },
    hang: (target) => void hanging.add(keyOf(target)),
    otherwise(answer) {
      rest = answer;
    },
    async probe(target, { timeoutMs, slowMs, signal }) {
      probes.push(target);
      const key = keyOf(target);
      if (hanging.has(key)) {
        await sleep(timeoutMs, undefined, { signal }).catch(() => {});
        return signal.aborted
          ? result({ state: 'unknown', message: 'The probe was canceled.' })
          : result({ state: 'down', latencyMs: timeoutMs, message: `no answer within ${timeoutMs} ms` });
      }
      const answer = answers.get(key) ?? rest;
      const found = result(typeof answer === 'function' ? answer(target) : answer);
      return found.state === 'up' && found.latencyMs > slowMs ? { ...found, state: 'degraded' } : found;
    },
  };
}

function result(part: Partial<ProbeResult>): ProbeResult {
  const state = part.state ?? 'up';
  return { state, latencyMs: 1, message: state, depth: state === 'up' ? 'query' : 'connect', detail: {}, ...part };
}

/** What makes two targets the same place to look at, whatever is expected of it. */
function keyOf(target: CheckTarget): string {
  return target.kind === 'process'
    ? `process ${target.pid ?? ''} ${target.executable ?? ''} ${target.argvContains ?? ''}`
    : describeTarget(target);
}
