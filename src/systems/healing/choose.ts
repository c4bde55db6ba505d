import type { Check } from '../../core/check.ts';
import { formatDuration, ms } from '../../core/duration.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Resource } from '../../core/resource.ts';
import { fillInput, misfit, type Runbook } from '../../core/runbook.ts';

/** What the ledger has of a runbook on this very trouble. */
export interface Tried {
  readonly runbook: string;
  /** Since it last helped, or somebody forgave it, and as far back as failures are remembered. */
  readonly failures: number;
  readonly lastOutcome: string | undefined;
  /** On the resource, whatever the trouble. */
  readonly lastAt: Date | undefined;
}

/** How one runbook fared when it was looked at. */
export type Considered = { readonly runbook: string; readonly verdict: string };

export type Choice =
  | {
      readonly kind: 'take';
      readonly runbook: Runbook;
      readonly input: JsonObject;
      readonly considered: readonly Considered[];
    }
  | { readonly kind: 'wait'; readonly until: Date; readonly why: string; readonly considered: readonly Considered[] }
  | { readonly kind: 'none'; readonly considered: readonly Considered[] };

export interface Trouble {
  readonly symptom: string;
  readonly resource: Resource;
  readonly checks: readonly Check[];
  /** The one that names the trouble. */
  readonly check: Check | undefined;
  /** What that check saw last, in its own words. */
  readonly seen: Readonly<Record<string, unknown>> | undefined;
}

/** The first runbook that fits, that has not failed too often on this trouble and is not in its cooldown; and why not the others. */
export function choose(
  runbooks: readonly Runbook[],
  { symptom, resource, checks, check, seen }: Trouble,
  tried: ReadonlyMap<string, Tried>,
  now: Date,
): Choice {
  const considered: Considered[] = [];
  let wait: { until: Date; why: string } | undefined;
  for (const runbook of runbooks) {
    if (!runbook.heals.some((each) => each === symptom)) continue;
    const say = (verdict: string): void => void considered.push({ runbook: runbook.name, verdict });
    const why = misfit(runbook, symptom, resource, checks);
    if (why !== undefined) {
      say(`does not fit: ${why}`);
      continue;
    }
    const filled = fillInput(runbook.input, { resource, check, seen });
    if ('missing' in filled) {
      say(`does not fit: nothing is known for ${filled.missing}`);
      continue;
    }
    const { failures = 0, lastOutcome, lastAt } = tried.get(runbook.name) ?? {};
    if (failures >= runbook.tries) {
      say(
        `failed ${failures === 1 ? 'once' : failures === 2 ? 'twice' : `${failures} times`} on this and is not tried again${lastOutcome === undefined ? '' : `: ${lastOutcome}`}`,
      );
      continue;
    }
    const until = lastAt && new Date(lastAt.getTime() + ms(runbook.cooldown));
    if (until && until > now) {
      say(`is in its cooldown for another ${formatDuration(until.getTime() - now.getTime())}`);
      // The instant and not what is left until then: it is said once, and would be another text at each look.
      wait ??= { until, why: `${runbook.name} is tried again after its cooldown, at ${until.toISOString()}.` };
      continue;
    }
    say('is taken');
    return { kind: 'take', runbook, input: filled.input, considered };
  }
  return wait ? { kind: 'wait', ...wait, considered } : { kind: 'none', considered };
}
