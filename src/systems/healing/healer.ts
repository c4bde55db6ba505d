import { StewardError } from '../../core/errors.ts';
import type { Incident } from '../../core/incident.ts';
import type { Json } from '../../core/json.ts';
import type { Resource } from '../../core/resource.ts';
import type { RunStatus } from '../../core/run.ts';
import { followAttempt } from './follow.ts';
import { HEALER, type HealerDeps } from './healer-deps.ts';
import { adviceFor, runbookFor } from './runbooks/index.ts';
import { switchedOff } from './settings.ts';
import type { Attempt } from './tables.ts';
import { firstInTheWay } from './waits.ts';

const AT_WORK: readonly RunStatus[] = ['queued', 'planning', 'running', 'rolling-back'];

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
  const { inventory, monitor, attempts, runs, incidents, node, settings } = deps;
  // Escalated and acknowledged ones belong to a person.
  if (
    (incident.symptom !== 'service.down' && incident.symptom !== 'process.frozen') ||
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
  if ((await monitor.status(resource.id))?.state !== 'down') return;

  const inTheWay = await firstInTheWay(incident, resource, deps, signal);
  if (inTheWay) return await say(incident, inTheWay, deps);

  const runbook = runbookFor(incident, resource);
  const off = switchedOff(settings(), await runs.mode());
  if (off !== undefined) {
    const would = runbook
      ? `Healing would run ${runbook.automation} now (${runbook.name})`
      : 'Healing would call a person now: no runbook may act';
    return await say(incident, `${would}, but it is ${off}.`, deps);
  }
  if (!runbook) return await giveUp(incident, resource, 'Nothing that Steward may do helps here.', deps, signal);

  const [active] = (await runs.list({ targetId: resource.id, status: AT_WORK, limit: 1 })).items;
  if (active)
    return await say(
      incident,
      `${active.automation} (${active.id}) works on ${resource.name}; healing waits for its end.`,
      deps,
    );

  // The last word before acting: what answers by now is not restarted.
  if ((await monitor.probeNow(resource.id, signal))?.state !== 'down') return;
  const reservation = await attempts.reserve(
    {
      incidentId: incident.id,
      resourceId: resource.id,
      node: node.name,
      runbook: runbook.name,
      automation: runbook.automation,
    },
    settings(),
  );
  switch (reservation.kind) {
    case 'granted':
      return await followAttempt(reservation.attempt, deps, signal);
    case 'too-soon':
      return reservation.until;
    case 'exhausted': {
      const why =
        reservation.by === 'incident'
          ? `${made.length} attempts did not bring ${resource.name} back for good.`
          : `${resource.name} was restarted ${settings().perHour} times within an hour; more would not help.`;
      return await giveUp(incident, resource, why, deps, signal);
    }
    case 'busy':
      return;
  }
}

/** Says it once for an incident, however often it is found again. */
async function say(incident: Incident, message: string, { attempts, incidents }: HealerDeps): Promise<undefined> {
  if (await attempts.remark(incident.id, message))
    await incidents.note(incident.id, { kind: 'note', message, actor: HEALER });
}

async function giveUp(
  incident: Incident,
  resource: Resource,
  why: string,
  deps: HealerDeps,
  signal: AbortSignal,
): Promise<undefined> {
  const { incidents, attempts, evidence, monitor, log } = deps;
  const made = await attempts.ofIncident(incident.id);
  const latest = await evidence
    .collect(resource, signal)
    .catch((thrown): Json => ({ missing: StewardError.from(thrown).message }));
  const status = await monitor.status(resource.id);
  const advice = adviceFor(resource);
  const learned = {
    attempts: made.map(inBrief),
    symptom: status?.checks.map(({ kind, state, last }) => ({ kind, state, message: last?.message ?? null })) ?? [],
    evidence: latest,
    advice,
  };
  if (await incidents.escalate(incident.id, `${why} ${advice}`, learned))
    log.warn('healing gave up', { incident: incident.id, resource: resource.id, attempts: made.length });
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
