import { StewardError } from '../../core/errors.ts';
import type { Incident, TimelineEntry } from '../../core/incident.ts';
import { problemsOf } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';
import { type Choice, choose, type Trouble } from './choose.ts';
import { followAttempt } from './follow.ts';
import { giveUp } from './give-up.ts';
import type { HealerDeps } from './healer-deps.ts';
import { grownService } from './grown.ts';
import { heldBy } from './hold.ts';
import { limitReached } from './limit.ts';
import { noteLost, say } from './say.ts';
import { switchedOff } from './settings.ts';
import { hasSymptom, isHealable } from './symptom.ts';
import { firstInTheWay } from './waits.ts';

/** One look at every attempt under way and at every open incident. Gives the instant at which the next look is due, where it is known. */
export async function lookOnce(deps: HealerDeps, signal: AbortSignal): Promise<Date | undefined> {
  const { incidents, attempts, node, log } = deps;
  const due: Date[] = [];
  const guarded = async (incidentId: string, work: () => Promise<Date | undefined>): Promise<void> => {
    if (signal.aborted) return;
    try {
      const next = await work();
      if (next) due.push(next);
    } catch (thrown) {
      // One incident that cannot be worked on must not keep the others from it.
      const { code, message } = StewardError.from(thrown);
      if (!signal.aborted)
        log.warn('healing could not work on an incident', { incident: incidentId, code, reason: message });
    }
  };

  for (const attempt of await attempts.unfinished(node.name))
    await guarded(attempt.incident_id, () => followAttempt(attempt, deps, signal));
  for (const incident of await incidents.unresolved())
    await guarded(incident.id, () => considerIncident(incident, deps, signal));
  return due.toSorted((a, b) => a.getTime() - b.getTime())[0];
}

async function considerIncident(incident: Incident, deps: HealerDeps, signal: AbortSignal): Promise<Date | undefined> {
  const { inventory, monitor, attempts, ledger, runs, incidents, node, settings, now } = deps;
  // Escalated and acknowledged ones belong to a person.
  if (
    !isHealable(incident.symptom) ||
    incident.status === 'escalated' ||
    incident.acknowledgedBy !== undefined ||
    incident.resourceId === undefined
  )
    return;
  const resource = await inventory.get(incident.resourceId);
  if (!resource || resource.adoption === 'ignored' || (resource.node !== node.id && resource.node !== node.name))
    return;
  const made = await attempts.ofIncident(incident.id);
  if (made.some(({ finished_at }) => finished_at === null)) return;
  // Steward died between the end of an attempt and this.
  if (incident.status === 'healing') await incidents.setStatus(incident.id, 'open');
  const status = await monitor.status(resource.id);
  if (!status || !hasSymptom(status, incident.symptom)) return;
  if (status.checks.some(({ kind }) => kind === 'group'))
    return await say(incident, `${resource.name} is a group: it is healed by healing its members.`, deps);

  for (const lost of await ledger.takeBack(incident, settings())) await noteLost(incident, lost, deps);
  const inTheWay = await firstInTheWay(incident, resource, deps, signal);
  if (inTheWay) return await say(incident, inTheWay, deps);

  const trouble = await troubleOf(incident, resource, status.since, deps);
  const tried = await ledger.tried({ fingerprint: incident.fingerprint, resourceId: resource.id }, settings());
  const choice = choose(deps.runbooks(), trouble, tried, now());
  const off = switchedOff(settings(), await runs.mode());
  if (off !== undefined) return await say(incident, `${wouldDo(choice)}, but it is ${off}.`, deps, why(choice));
  if (choice.kind === 'wait') {
    await say(incident, `Nothing else fits; ${choice.why}`, deps, why(choice));
    return choice.until;
  }
  if (choice.kind === 'none') return await giveUp(incident, resource, choice, deps, signal);

  const held = await heldBy(resource, status.since, deps);
  if (held !== undefined) return await say(incident, held, deps);

  // The last word before acting: what is well by now is left alone.
  if (!hasSymptom(await monitor.probeNow(resource.id, signal), incident.symptom)) return;
  const { runbook, input } = choice;
  const reservation = await attempts.reserve(
    {
      incidentId: incident.id,
      resourceId: resource.id,
      fingerprint: incident.fingerprint,
      symptom: incident.symptom,
      node: node.name,
      runbook: runbook.name,
      automation: runbook.automation,
      input,
      disruptive: runbook.disruptive,
    },
    settings(),
  );
  switch (reservation.kind) {
    case 'granted':
      return await followAttempt(reservation.attempt, deps, signal);
    case 'too-soon':
      return reservation.until;
    case 'limited':
      return await limitReached(incident, resource, { ...choice, ...reservation }, deps, signal);
    case 'exhausted':
      return await giveUp(incident, resource, { ...choice, exhausted: reservation.by }, deps, signal);
    case 'busy':
      return;
  }
}

async function troubleOf({ symptom }: Incident, resource: Resource, since: Date, deps: HealerDeps): Promise<Trouble> {
  const { checks, monitor, inventory } = deps;
  const all = await checks.of(resource);
  const status = await monitor.status(resource.id);
  const named = problemsOf(status).find(({ problem }) => problem === symptom);
  const seen = status?.checks.find(({ id }) => id === named?.check)?.last?.detail;
  const grown = await grownService(seen, resource.node, inventory);
  // What keeps healing away from a service keeps it from being the remedy for another one, too.
  const mayGo = grown !== undefined && (await heldBy(grown, since, deps)) === undefined;
  return {
    symptom,
    resource,
    checks: all,
    check: all.find(({ id }) => id === named?.check),
    seen: mayGo ? { ...seen, grownService: grown.id } : seen,
  };
}

function wouldDo(choice: Choice): string {
  if (choice.kind === 'take') return `Healing would run ${choice.runbook.automation} now (${choice.runbook.name})`;
  if (choice.kind === 'wait') return `Healing would wait: ${choice.why}`;
  return 'Healing would call a person now: no runbook may act';
}

function why({ considered }: Choice): TimelineEntry['data'] {
  return { considered: considered.map((each) => ({ ...each })) };
}
