import { setTimeout as sleep } from 'node:timers/promises';
import type { ChangeEntry } from '../../core/change-log.ts';
import { StewardError } from '../../core/errors.ts';
import type { StewardEvent } from '../../core/event.ts';
import type { Incident } from '../../core/incident.ts';
import type { Json, JsonObject } from '../../core/json.ts';
import type { Log } from '../../core/log.ts';
import { covers, MaintenanceScope } from '../../core/maintenance.ts';
import { failsByNameAlone, failsElsewhere } from '../../core/places.ts';
import { isCalm, isProblem, type ServiceStatus } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';
import { flapTitle } from './flapping.ts';
import { createProblems, type Problems } from './problems.ts';
import {
  beingHealed,
  blame,
  dependenciesNow,
  describeDependencies,
  incidentsOf,
  SAME_CAUSE_MS,
  type Suspect,
} from './dependencies.ts';
import type { DeadUplink } from './dead-uplink.ts';
import { hypotheses } from './hypotheses.ts';
import type { Ledger } from './ledger.ts';
import type { SymptomDeps } from './symptom-deps.ts';

const LOOK_BACK_MS = 3_600_000;
const MOST_CHANGES = 40;
const EVIDENCE_WITHIN_MS = 10_000;
const OLD_NEWS_MS = 900_000;

const downFingerprint = (resourceId: string): string => `service.down:${resourceId}`;
const unreachableFingerprint = (resourceId: string): string => `service.unreachable:${resourceId}`;

/** Of what is down: whoever looks from several places may know that it does not fail where it runs. */
function failureOf(resourceId: string, status: ServiceStatus | undefined): { symptom: string; fingerprint: string } {
  return failsElsewhere(status?.checks ?? [])
    ? { symptom: 'service.unreachable', fingerprint: unreachableFingerprint(resourceId) }
    : { symptom: 'service.down', fingerprint: downFingerprint(resourceId) };
}

/** The last incident about what fails now. One that is healed is not joined by another about the way to the same service. */
export async function knownFailure(
  resourceId: string,
  status: ServiceStatus | undefined,
  ledger: Pick<Ledger, 'byFingerprint'>,
): Promise<Incident | undefined> {
  const { symptom, fingerprint } = failureOf(resourceId, status);
  const known = await ledger.byFingerprint(fingerprint);
  if (symptom === 'service.down' || (known && known.status !== 'resolved')) return known;
  const own = await ledger.byFingerprint(downFingerprint(resourceId));
  return own && own.status !== 'resolved' ? own : known;
}

export const degradedFingerprint = (resourceId: string): string => `service.degraded:${resourceId}`;

export interface Symptoms {
  handle(event: StewardEvent, signal: AbortSignal): Promise<void>;
  /** The resource has been down since about this instant. */
  down(resource: Resource, at: Date, signal: AbortSignal): Promise<void>;
  /** Compares the incidents about troubles with a name to what the checks of the resource say now. */
  readonly problems: Problems;
  /** Closes what this incident explained, as far as it is well again; says what that was. */
  settleChildren(parent: Incident, resource: { readonly name: string }): Promise<readonly string[]>;
}

/** Turns what monitoring says of services into incidents, and incidents back into peace. */
export function createSymptoms(deps: SymptomDeps & { readonly uplink: DeadUplink }): Symptoms {
  const { ledger, inventory, monitor, node, now, uplink } = deps;
  const problems = createProblems({ ...deps, collect, adopt, settleChildren });

  async function handle(event: StewardEvent, signal: AbortSignal): Promise<void> {
    if (event.type === 'maintenance.ended') return await maintenanceEnded(event, signal);
    const resource = event.subject && (await inventory.get(event.subject.id));
    // Each node looks after its own: evidence is where the service is.
    if (!resource || resource.adoption === 'ignored' || (resource.node !== node.id && resource.node !== node.name))
      return;
    const isOld = now().getTime() - event.at.getTime() > OLD_NEWS_MS;
    if (event.type === 'service.down') {
      if (!isOld && (await problems.settle(resource, signal))) return;
      await down(resource, event.at, signal);
      return;
    }
    await problems.settle(resource, signal);
    if (event.type === 'service.up') {
      await over(resource, degradedFingerprint(resource.id), 'It answers as it should again.');
      await over(resource, unreachableFingerprint(resource.id), 'It is reached again.');
      await over(resource, downFingerprint(resource.id), 'It answers again; nothing of Steward brought it back.');
    } else if (event.type === 'service.degraded') {
      await over(resource, unreachableFingerprint(resource.id), 'It is reached again, though not as it should.');
      await over(resource, downFingerprint(resource.id), 'It answers again, though not as it should.');
    } else if (event.type === 'service.stopped') {
      await over(resource, degradedFingerprint(resource.id), 'It was stopped on purpose.');
      await over(resource, unreachableFingerprint(resource.id), 'It was stopped on purpose.');
      await over(resource, downFingerprint(resource.id), 'It was stopped on purpose.');
    } else if (event.type === 'resource.gone') {
      await gone(resource);
    }
  }

  /** What is still wrong when the work is over is a problem from here on. */
  async function maintenanceEnded({ data, at }: StewardEvent, signal: AbortSignal): Promise<void> {
    const scope = MaintenanceScope.safeParse(data['scope']).data;
    if (!scope) return;
    for (const { resourceId, state } of await monitor.all()) {
      const resource = state === 'down' || state === 'degraded' ? await inventory.get(resourceId) : undefined;
      if (!resource || resource.adoption === 'ignored' || (resource.node !== node.id && resource.node !== node.name))
        continue;
      if (!covers(scope, resource, node.name)) continue;
      const isExplained = await problems.settle(resource, signal);
      if (state === 'down' && !isExplained) await down(resource, at, signal);
    }
  }

  async function down(resource: Resource, at: Date, signal: AbortSignal): Promise<void> {
    const status = await monitor.status(resource.id);
    // Steward was away while it happened, and it is over.
    if (now().getTime() - at.getTime() > OLD_NEWS_MS && status?.state !== 'down') return;
    const { symptom, fingerprint } = failureOf(resource.id, status);
    const known = await knownFailure(resource.id, status, ledger);
    if (known && known.status !== 'resolved') {
      if (status?.flapping !== undefined) await ledger.markFlapping(known.id, flapTitle(resource, status.flapping));
      // Of something that comes and goes it is said once that it does.
      else if (known.updatedAt < at)
        await ledger.note(known.id, {
          kind: 'symptom',
          message: `${resource.name} is down.`,
          data: symptomOf(status) as never,
        });
      return;
    }
    if (await deps.maintenance?.activeFor(resource, now())) return;
    const healing = beingHealed(resource, await ledger.unresolved({ resourceIds: [resource.id] }));
    if (healing) {
      await ledger.note(healing.id, { kind: 'symptom', message: `${resource.name} is down.` });
      return;
    }
    const { dependencies, evidence } = await collect(resource, status, at, signal);
    const { parent, suspect } = blame(dependencies, await incidentsOf(dependencies, ledger), at);
    const explained = parent ?? (await uplink.explaining(status));
    const incident = await ledger.open(
      {
        fingerprint,
        resourceId: resource.id,
        title: `${resource.name} is ${symptom === 'service.down' ? 'down' : 'not reached'}${reason(status)}`,
        symptom,
        severity: failsByNameAlone(status?.checks ?? []) && !resource.critical ? 'warning' : 'critical',
        parentId: explained?.id,
        evidence,
      },
      { heldFor: suspect?.id },
    );
    if (symptom === 'service.down') await takeOver(incident, resource);
    await adopt(incident, resource);
  }

  /** What seemed to fail on the way alone is part of it. */
  async function takeOver(incident: Incident, resource: Resource): Promise<void> {
    const unreachable = await ledger.byFingerprint(unreachableFingerprint(resource.id));
    if (unreachable && unreachable.status !== 'resolved' && unreachable.parentId === undefined)
      await ledger.attach(unreachable.id, incident.id, `${resource.name} fails where it runs, too.`);
  }

  /** What can be known of the instant, within a time that nobody has to wait longer for. */
  async function collect(
    resource: Resource,
    status: ServiceStatus | undefined,
    at: Date,
    signal: AbortSignal,
  ): Promise<{ dependencies: Suspect[]; evidence: JsonObject }> {
    const [dependencies, collected, changed] = await Promise.all([
      within(dependenciesNow(resource, deps, signal), EVIDENCE_WITHIN_MS, [] as Suspect[], deps.log),
      within<Json>(
        deps.evidence.collect(resource, signal),
        EVIDENCE_WITHIN_MS,
        { missing: 'The evidence could not be collected in time.' },
        deps.log,
      ),
      within(
        deps.changes.between({ from: new Date(at.getTime() - LOOK_BACK_MS), until: at, limit: MOST_CHANGES }),
        EVIDENCE_WITHIN_MS,
        [] as ChangeEntry[],
        deps.log,
      ),
    ]);
    const guesses = hypotheses({ resource, at, collected, dependencies, changes: changed });
    const evidence = {
      symptom: symptomOf(status),
      collected,
      changed: changed.map((entry) => ({ ...entry, at: entry.at.toISOString() })),
      hypotheses: guesses.map((guess) => ({ ...guess })),
      dependencies: describeDependencies(dependencies),
    };
    return { dependencies, evidence };
  }

  /** Those that went down a moment ago because of this one, which took longer to be noticed. */
  async function adopt(parent: Incident, resource: Resource): Promise<void> {
    const [needing, needed] = await Promise.all([
      inventory.dependentsOf(resource.id),
      inventory.dependenciesOf(resource.id),
    ]);
    const mutual = new Set(needed.map(({ id }) => id));
    const dependents = needing.map(({ id }) => id).filter((id) => !mutual.has(id));
    if (dependents.length === 0) return;
    for (const child of await ledger.unresolved({ resourceIds: dependents })) {
      const young = parent.openedAt.getTime() - child.openedAt.getTime() < SAME_CAUSE_MS;
      if (
        child.id === parent.id ||
        child.parentId !== undefined ||
        child.status !== 'open' ||
        child.symptom !== 'service.down' ||
        !young
      )
        continue;
      await ledger.attach(child.id, parent.id, `${resource.name}, which it needs, fails too.`);
    }
  }

  async function over(resource: Resource, fingerprint: string, resolution: string): Promise<void> {
    const incident = await ledger.byFingerprint(fingerprint);
    if (!incident || incident.status === 'resolved') return;
    // Whether a heal counts is decided at the end of its soak window.
    if (incident.status === 'healing') {
      await ledger.note(incident.id, {
        kind: 'symptom',
        message: resolution.replace('; nothing of Steward brought it back', ''),
      });
      return;
    }
    // What comes and goes is over when it has been calm for a while; upkeep looks.
    const status = await monitor.status(resource.id);
    if (status && status.state !== 'stopped' && !isCalm(status, now())) return deps.lookAgainIn?.(status.settleMs ?? 0);
    await ledger.resolve(incident.id, resolution);
    await settleChildren(incident, resource);
  }

  async function gone(resource: Resource): Promise<void> {
    const removed = resource.supervisor.kind === 'docker' || resource.supervisor.kind === 'systemd';
    for (const incident of await ledger.unresolved({ resourceIds: [resource.id] })) {
      const { symptom } = incident;
      if (!(symptom.startsWith('service.') || isProblem(symptom))) continue;
      // A container or a unit disappears because somebody removed it; a process also disappears by dying.
      if (removed) await ledger.resolve(incident.id, `${resource.name} was removed from ${resource.supervisor.kind}.`);
      else
        await ledger.note(incident.id, {
          kind: 'symptom',
          message: `${resource.name} has not been seen for a while. The incident stays until it returns or somebody closes it.`,
        });
    }
  }

  async function settleChildren(parent: Incident, resource: { readonly name: string }): Promise<readonly string[]> {
    const children = await ledger.unresolved({ parentId: parent.id });
    if (children.length === 0) return [];
    const calm = new Set(
      (await monitor.all())
        .filter((status) => status.state === 'up' && isCalm(status, now()))
        .map(({ resourceId }) => resourceId),
    );
    const over = children
      .filter(({ resourceId }) => resourceId !== undefined && calm.has(resourceId))
      .map(({ id }) => id);
    await ledger.resolveAll(over, `${resource.name}, which it needs, is back, and so is it.`);
    return over;
  }

  return { handle, down, settleChildren, problems };
}

function symptomOf(status: ServiceStatus | undefined): JsonObject {
  if (!status) return {};
  return {
    state: status.state,
    since: status.since.toISOString(),
    consecutiveFailures: status.consecutiveFailures,
    checks: status.checks.map(({ kind, state, last, consecutiveFailures }) => ({
      kind,
      state,
      consecutiveFailures,
      ...(last && {
        message: last.message,
        latencyMs: last.latencyMs,
        detail: last.detail,
        ...(last.problem && { problem: last.problem }),
      }),
    })),
  };
}

function reason(status: ServiceStatus | undefined): string {
  const message = status?.checks.find(({ last }) => last?.state === 'down')?.last?.message;
  return message ? `: ${message.slice(0, 200)}` : '';
}

/** Something that takes too long or fails must not keep a problem from being known. */
async function within<T>(work: Promise<T>, milliseconds: number, otherwise: T, log: Log): Promise<T> {
  const done = new AbortController();
  try {
    return await Promise.race([work, sleep(milliseconds, otherwise, { signal: done.signal })]);
  } catch (thrown) {
    log.warn('evidence of an incident is incomplete', { reason: StewardError.from(thrown).message });
    return otherwise;
  } finally {
    done.abort();
    work.catch(() => undefined);
  }
}
