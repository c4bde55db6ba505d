import type { Runbook } from '../../core/runbook.ts';

/** When a runbook may act by itself, as the configuration says. */
export interface AutonomyRule {
  /** policy: its record does not matter, the policy alone decides. */
  readonly by: 'record' | 'policy';
  readonly successes: number;
  /** The share of attempts that have to help for it to be gained. */
  readonly rate: number;
  /** The share below which it is lost. */
  readonly floor: number;
  /** So many of the latest attempts count. */
  readonly window: number;
  /** Runbooks that somebody vouches for. */
  readonly trusted: readonly string[];
}

/** One attempt that came to an end, as far as trust goes by it. */
export interface Outcome {
  readonly helped: boolean;
  /** It looked healed, and the trouble was back soon. */
  readonly recurred: boolean;
  readonly fingerprint: string;
  readonly at: Date;
}

export type Standing = 'auto' | 'propose';

export interface Verdict {
  readonly standing: Standing;
  readonly helped: number;
  readonly decided: number;
  /** The rule and the numbers, for people. */
  readonly why: string;
}

/** A restart that failed for one broken service says little about restarts, so one that ships trusted is judged by several. */
const MANY = { attempts: 10, fingerprints: 3 };

export function initialStanding({ name, autonomy, disruptive }: Runbook, rule: AutonomyRule): Standing {
  return rule.by === 'policy' || !disruptive || isVouchedFor({ name, autonomy }, rule) ? 'auto' : 'propose';
}

function isVouchedFor({ name, autonomy }: Pick<Runbook, 'name' | 'autonomy'>, rule: AutonomyRule): boolean {
  return autonomy === 'trusted' || rule.trusted.includes(name);
}

/** What a runbook may do by itself, given what it may do now, since when, and what it did. Outcomes: the latest first. */
export function judge(
  runbook: Runbook,
  rule: AutonomyRule,
  current: { readonly standing: Standing; readonly since: Date | undefined },
  outcomes: readonly Outcome[],
): Verdict {
  const counted = outcomes.slice(0, rule.window);
  const helped = counted.filter((outcome) => outcome.helped).length;
  const decided = counted.length;
  const record = `${helped} of ${decided} attempts helped${decided === 0 ? '' : ` (${percent(helped / decided)})`}`;
  const verdict = (standing: Standing, why: string): Verdict => ({ standing, helped, decided, why });
  if (rule.by === 'policy') return verdict('auto', `${record}; the policy alone decides (healing.autonomy.by).`);
  if (!runbook.disruptive) return verdict('auto', `${record}; nobody notices it, so it needs no record.`);
  const vouched = isVouchedFor(runbook, rule);
  const recent = current.since === undefined ? counted : counted.filter(({ at }) => at > (current.since as Date));

  if (current.standing === 'auto') {
    const rate = decided === 0 ? 1 : helped / decided;
    const enough =
      !vouched ||
      (decided >= MANY.attempts && new Set(counted.map(({ fingerprint }) => fingerprint)).size >= MANY.fingerprints);
    if (enough && rate < rule.floor)
      return verdict('propose', `${record}, and below ${percent(rule.floor)} it may not act by itself.`);
    if (!vouched && recent.some(({ recurred }) => recurred))
      return verdict('propose', `${record}, and a trouble that it had ended came back soon.`);
    return verdict('auto', vouched ? `${record}; it is trusted from the first day.` : `${record}.`);
  }
  // What was lost is earned by what came after it.
  const successes = recent.filter((outcome) => outcome.helped).length;
  const rate = recent.length === 0 ? 0 : successes / recent.length;
  const asked = `${rule.successes} that helped and ${percent(rule.rate)} are asked`;
  if (successes >= rule.successes && rate >= rule.rate) return verdict('auto', `${record}; ${asked}.`);
  const since = current.since === undefined ? '' : ` since it lost its autonomy ${successes} of ${recent.length};`;
  return verdict('propose', `${record};${since} ${asked}.`);
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`;
}
