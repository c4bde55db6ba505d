import type { CheckKind, CheckTiming, Problem, ProbeResult, ServiceState } from '../../core/check.ts';
import { ms } from '../../core/duration.ts';
import { type FlapLimits, type FlapMemory, remember } from './flap.ts';

/** What is remembered of a check between two probes. */
export interface CheckState extends FlapMemory {
  readonly state: ServiceState;
  readonly since: Date;
  /** Failures in a row that count. */
  readonly failures: number;
  /** Of those the ones, in a row up to the latest, in which it took the connection and said nothing for a whole timeout. */
  readonly silent?: number | undefined;
  /** When the latest of them was seen. */
  readonly failedAt?: Date | undefined;
  /** Good answers in a row. */
  readonly successes: number;
  readonly at?: Date | undefined;
  readonly last?: ProbeResult | undefined;
}

export function newCheckState(at: Date): CheckState {
  return { state: 'pending', since: at, failures: 0, successes: 0, recent: '', flapping: false };
}

/**
 * The next state of a check. A failure below the limit leaves the state as it is; what the prober could not see counts as neither.
 * However often somebody looks, a failure counts only half an interval after the one that counted before it: the
 * operator's `every` and `failures` say how long something may be away, and looks outside the schedule do not shorten that.
 */
export function foldResult(
  previous: CheckState,
  result: ProbeResult,
  timing: Pick<CheckTiming, 'every' | 'failures' | 'successes'>,
  at: Date,
  limits?: FlapLimits,
): CheckState {
  const memory = remember(previous, result.state, limits);
  const next = (
    state: ServiceState,
    failures: number,
    successes: number,
    failedAt = failures > 0 ? previous.failedAt : undefined,
  ): CheckState => ({
    state,
    since: state === previous.state ? previous.since : at,
    failures,
    successes,
    failedAt,
    at,
    last: result,
    ...memory,
  });
  switch (result.state) {
    case 'unknown':
      return next('unknown', previous.failures, previous.successes);
    case 'stopped':
      return next('stopped', 0, 0);
    case 'down': {
      const counts = isApart(previous.failedAt, at, timing);
      const failures = previous.failures + (counts ? 1 : 0);
      const silent = isSilent(result) ? (previous.silent ?? 0) + (counts ? 1 : 0) : 0;
      const state = failures >= timing.failures ? 'down' : previous.state;
      return { ...next(state, failures, 0, counts ? at : previous.failedAt), silent };
    }
    case 'up':
    case 'degraded': {
      const successes = previous.successes + 1;
      // Unknown hides what was before it: a check that had failed to the limit still has to earn its way back.
      const wasDown =
        previous.state === 'down' || (previous.state === 'unknown' && previous.failures >= timing.failures);
      if (wasDown && successes < timing.successes) return next('down', previous.failures, successes);
      return next(result.state, 0, successes);
    }
  }
}

/** It takes the connection and answers nothing until the time is over. */
export function isSilent({ state, detail, depth }: ProbeResult): boolean {
  return state === 'down' && detail['code'] === 'TIMEOUT' && depth !== 'presence';
}

/** Fewer silences may be a database that is slow under load. */
const SILENCES_TO_FREEZE = 3;

/** Whether what it is silent about now makes it frozen: it has been for the whole of its failures, which are several. */
export function silencesEnough(
  { failures, silent = 0, failedAt }: CheckState,
  timing: Pick<CheckTiming, 'every'>,
  at: Date,
): boolean {
  return silent === failures && silent + (isApart(failedAt, at, timing) ? 1 : 0) >= SILENCES_TO_FREEZE;
}

/** A clock that was set back must not keep failures from counting. */
function isApart(failedAt: Date | undefined, at: Date, { every }: Pick<CheckTiming, 'every'>): boolean {
  if (!failedAt) return true;
  const passed = at.getTime() - failedAt.getTime();
  return passed < 0 || passed >= ms(every) / 2;
}

/** Kinds that ask whoever keeps the service running, and so know what was meant. */
export function asksSupervisor(kind: CheckKind): boolean {
  return kind === 'systemd' || kind === 'container';
}

/** How a service is: the worst of its checks, except that a stop on purpose explains whatever fails with it. */
export function serviceState(
  checks: readonly { readonly kind: CheckKind; readonly state: ServiceState; readonly failures: number }[],
): ServiceState {
  const stopped = checks.some(({ kind, state }) => asksSupervisor(kind) && state === 'stopped');
  // A check that fails but not often enough yet still says 'up'; behind a stopped supervisor it must not speak for the service.
  const speaking = checks.filter(({ state, failures }) => state !== 'stopped' && !(stopped && failures > 0));
  const states = new Set(speaking.map(({ state }) => state));
  if (stopped) states.delete('down');
  for (const state of ['down', 'degraded', 'up'] as const) if (states.has(state)) return state;
  if (checks.some(({ state }) => state === 'stopped')) return 'stopped';
  return states.has('unknown') ? 'unknown' : 'pending';
}

/** The named trouble that a check's state stands for; one failure that does not count yet is none. */
export function problemOf({ state, last }: CheckState): Problem | undefined {
  return (state === 'down' || state === 'degraded') && last?.state === state ? last.problem : undefined;
}

const UNSTORABLE = /\0|\p{Surrogate}/u;

/** The result with text that PostgreSQL takes: no NUL, no half of a character that a cut left over. */
export function storable(result: ProbeResult): ProbeResult {
  const isFine = (value: unknown): boolean => typeof value !== 'string' || !UNSTORABLE.test(value);
  if (isFine(result.message) && Object.values(result.detail).every(isFine)) return result;
  const clean = (text: string): string => text.replaceAll('\0', '').toWellFormed();
  return {
    ...result,
    message: clean(result.message),
    detail: Object.fromEntries(
      Object.entries(result.detail).map(([key, value]) => [key, typeof value === 'string' ? clean(value) : value]),
    ),
  };
}
