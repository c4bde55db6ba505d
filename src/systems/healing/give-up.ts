import { StewardError } from '../../core/errors.ts';
import type { Incident } from '../../core/incident.ts';
import type { Json } from '../../core/json.ts';
import type { Resource } from '../../core/resource.ts';
import { adviceFor } from './advice.ts';
import type { Choice, Considered } from './choose.ts';
import type { HealerDeps } from './healer-deps.ts';
import { say } from './say.ts';
import type { Attempt } from './tables.ts';

export interface Reason {
  readonly considered: readonly Considered[];
  /** Where a runbook would have fitted and the budget is spent. */
  readonly exhausted?: 'incident' | 'hour' | undefined;
  /** Said in place of what the numbers say. */
  readonly because?: string | undefined;
}

/** Calls a person, once, with what was tried and learned; a mere warning that nothing was ever there for is told and left. */
export async function giveUp(
  incident: Incident,
  resource: Resource,
  reason: Reason | Extract<Choice, { kind: 'none' }>,
  deps: HealerDeps,
  signal: AbortSignal,
): Promise<undefined> {
  const { incidents, attempts, evidence, monitor, log } = deps;
  const made = (await attempts.ofIncident(incident.id)).filter(({ status }) => status !== 'abandoned');
  const why = whyOf(resource, made, reason, deps);
  const advice = adviceFor(resource, incident.symptom);
  const considered = reason.considered.map((each) => ({ ...each }));
  const hopeless = reason.considered.every(({ verdict }) => verdict.startsWith('does not fit'));
  if (incident.severity !== 'critical' && hopeless && made.length === 0)
    return await say(incident, `${why} ${advice}`, deps, { considered });

  const latest = await evidence
    .collect(resource, signal)
    .catch((thrown): Json => ({ missing: StewardError.from(thrown).message }));
  const status = await monitor.status(resource.id);
  const learned = {
    attempts: made.map(inBrief),
    considered,
    symptom:
      status?.checks.map(({ kind, state, last }) => ({
        kind,
        state,
        message: last?.message ?? null,
        problem: last?.problem ?? null,
      })) ?? [],
    evidence: latest,
    advice,
  };
  if (await incidents.escalate(incident.id, `${why} ${advice}`, learned))
    log.warn('healing gave up', { incident: incident.id, resource: resource.id, attempts: made.length });
}

function whyOf(resource: Resource, made: readonly Attempt[], reason: Reason, { settings }: HealerDeps): string {
  const { because, exhausted, considered } = reason;
  if (because !== undefined) return because;
  if (exhausted === 'hour')
    return `${resource.name} was acted on ${settings().perHour} times within an hour; more would not help.`;
  const spent = considered.filter(({ verdict }) => verdict.startsWith('failed'));
  const count = made.length === 1 ? '1 attempt' : `${made.length} attempts`;
  if (spent.length > 0)
    return `${made.length > 0 ? `${count} did not help. ` : ''}${spent.map(({ runbook, verdict }) => `${runbook} ${verdict}`).join('; ')}.`;
  return exhausted === 'incident' || made.length > 0
    ? `${count} did not bring ${resource.name} back for good.`
    : 'Nothing that Steward may do helps here.';
}

function inBrief({ number, runbook, run_id, started_at, finished_at, status, outcome }: Attempt): {
  readonly [key: string]: Json;
} {
  return {
    number,
    runbook,
    run: run_id,
    startedAt: started_at.toISOString(),
    finishedAt: finished_at?.toISOString() ?? null,
    status,
    outcome,
  };
}
