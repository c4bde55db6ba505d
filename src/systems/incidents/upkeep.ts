import type { Incident } from '../../core/incident.ts';
import { isCalm, isProblem, problemsOf, type ServiceStatus } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';
import { blame, dependenciesNow, incidentsOf } from './dependencies.ts';
import { settleFlapping } from './flapping.ts';
import type { SymptomDeps } from './symptom-deps.ts';
import { degradedFingerprint, knownFailure, type Symptoms } from './symptoms.ts';

const DEGRADED_FOR_MS = 600_000;
const CHILD_GRACE_MS = 60_000;
const UNNOTICED_MS = 300_000;

type UpkeepDeps = SymptomDeps & { readonly symptoms: Symptoms };

/**
 * What no single event tells: a service that stays degraded, one that is down without an incident or up with one,
 * a suspect that turned out innocent, a child that stays down after its parent is back.
 */
export async function upkeep(deps: UpkeepDeps, signal: AbortSignal): Promise<void> {
  const statuses = await deps.monitor.all();
  for (const status of statuses) await lookAt(status, deps, signal);
  await lookForFlapping(statuses, deps);
  await closeWhatIsOver(deps, signal);
  await judgeSuspects(deps, signal);
  await freeOrphans(deps);
}

async function ownResource(
  resourceId: string | undefined,
  { inventory, node }: UpkeepDeps,
): Promise<Resource | undefined> {
  const resource = resourceId === undefined ? undefined : await inventory.get(resourceId);
  return resource && isOwn(resource, node) ? resource : undefined;
}

function isOwn({ adoption, node }: Resource, own: UpkeepDeps['node']): boolean {
  return adoption !== 'ignored' && (node === own.id || node === own.name);
}

async function lookAt(status: ServiceStatus, deps: UpkeepDeps, signal: AbortSignal): Promise<void> {
  const { ledger, symptoms, now } = deps;
  const named = problemsOf(status).length > 0 ? await ownResource(status.resourceId, deps) : undefined;
  if (named) {
    const explains = await symptoms.problems.settle(named, signal, { closedByHandMs: UNNOTICED_MS });
    if (explains || status.state === 'degraded') return;
  }
  const lasted = now().getTime() - status.since.getTime();
  const late =
    (status.state === 'degraded' && lasted >= DEGRADED_FOR_MS) || (status.state === 'down' && lasted >= UNNOTICED_MS);
  const resource = late ? await ownResource(status.resourceId, deps) : undefined;
  if (!resource || (await deps.maintenance?.activeFor(resource, now()))) return;

  const known =
    status.state === 'down'
      ? await knownFailure(resource.id, status, ledger)
      : await ledger.byFingerprint(degradedFingerprint(resource.id));
  if (known && known.status !== 'resolved') return;
  if (status.state === 'down') {
    // Whoever closed it by hand a moment ago is given time to be right.
    if (!known?.resolvedAt || now().getTime() - known.resolvedAt.getTime() >= UNNOTICED_MS)
      await symptoms.down(resource, now(), signal);
    return;
  }
  const message = status.checks.find(({ state }) => state === 'degraded')?.last?.message;
  await ledger.open({
    fingerprint: degradedFingerprint(resource.id),
    resourceId: resource.id,
    title: `${resource.name} is degraded${message ? `: ${message.slice(0, 200)}` : ''}`,
    symptom: 'service.degraded',
    severity: 'warning',
    evidence: { since: status.since.toISOString() },
  });
}

async function lookForFlapping(statuses: readonly ServiceStatus[], deps: UpkeepDeps): Promise<void> {
  const flapping = statuses.filter((status) => status.flapping !== undefined);
  if (flapping.length === 0) return;
  const unresolved = await deps.ledger.unresolved();
  for (const status of flapping) {
    const resource = await ownResource(status.resourceId, deps);
    if (!resource || (await deps.maintenance?.activeFor(resource, deps.now()))) continue;
    await settleFlapping(resource, status, { ledger: deps.ledger, unresolved });
  }
}

/** Symptoms that are over when the service is well. */
const ABOUT_BEING_DOWN: ReadonlySet<string> = new Set([
  'service.down',
  'service.unreachable',
  'service.flapping',
  'service.degraded',
]);

const ENDED: Readonly<Record<string, string>> = {
  up: 'It answers again, and has for a while.',
  degraded: 'It answers again, though not as it should.',
  stopped: 'It was stopped on purpose.',
};

async function closeWhatIsOver(deps: UpkeepDeps, signal: AbortSignal): Promise<void> {
  await settleProblems(deps, signal);
  const over = await whatIsOver(deps);
  // What explained others is over first: then these are over because it is.
  const ids = new Set(over.map(({ incident }) => incident.id));
  const isChild = ({ incident }: Over): boolean => ids.has(incident.parentId ?? '');
  const gone = await end(
    over.filter((each) => !isChild(each)),
    deps,
  );
  await end(
    over.filter((each) => isChild(each) && !gone.has(each.incident.id)),
    deps,
  );
}

async function settleProblems(deps: UpkeepDeps, signal: AbortSignal): Promise<void> {
  const problems = (await deps.ledger.unresolved()).filter(({ symptom }) => isProblem(symptom));
  for (const resourceId of new Set(problems.map((problem) => problem.resourceId))) {
    const afflicted = await ownResource(resourceId, deps);
    if (afflicted) await deps.symptoms.problems.settle(afflicted, signal, { closedByHandMs: UNNOTICED_MS });
  }
}

async function whatIsOver({ ledger, inventory, monitor, node, now }: UpkeepDeps): Promise<Over[]> {
  const open = (await ledger.unresolved()).filter(
    ({ symptom, status }) => ABOUT_BEING_DOWN.has(symptom) && status !== 'healing',
  );
  if (open.length === 0) return [];
  const found = await inventory.find({ ids: open.flatMap(({ resourceId }) => resourceId ?? []), state: 'all' });
  const own = new Map(found.filter((resource) => isOwn(resource, node)).map((resource) => [resource.id, resource]));
  // Last, so that nothing that went down meanwhile is called over.
  const statuses = new Map((await monitor.all()).map((status) => [status.resourceId, status]));
  return open.flatMap((incident) => {
    const resource = own.get(incident.resourceId ?? '');
    const status = statuses.get(incident.resourceId ?? '');
    if (!resource || !status || !['up', 'degraded', 'stopped'].includes(status.state)) return [];
    if (incident.symptom === 'service.degraded' && status.state === 'degraded') return [];
    if (status.state !== 'stopped' && !isCalm(status, now())) return [];
    return [{ incident, resource, resolution: ENDED[status.state] ?? 'It is over.' }];
  });
}

interface Over {
  readonly incident: Incident;
  readonly resource: Resource;
  readonly resolution: string;
}

/** Ends them and what they explained; says which of the latter that were. */
async function end(over: readonly Over[], { ledger, symptoms }: UpkeepDeps): Promise<ReadonlySet<string>> {
  for (const [resolution, group] of Map.groupBy(over, (each) => each.resolution))
    await ledger.resolveAll(
      group.map(({ incident }) => incident.id),
      resolution,
    );
  const parents = new Set((await ledger.unresolved()).map(({ parentId }) => parentId));
  const gone = new Set<string>();
  for (const { incident, resource } of over)
    if (parents.has(incident.id)) for (const id of await symptoms.settleChildren(incident, resource)) gone.add(id);
  return gone;
}

async function judgeSuspects(deps: UpkeepDeps, signal: AbortSignal): Promise<void> {
  const { ledger } = deps;
  for (const { incident, heldFor } of await ledger.held()) {
    const resource = await ownResource(incident.resourceId, deps);
    if (!resource) continue;
    const dependencies = await dependenciesNow(resource, deps, signal);
    const { parent, suspect } = blame(dependencies, await incidentsOf(dependencies, ledger));
    if (parent) await ledger.attach(incident.id, parent.id, `${parent.title}, and it needs that.`);
    else if (suspect?.id !== heldFor) await ledger.release(incident.id, 'What it needs works; the fault is its own.');
  }
}

async function freeOrphans(deps: UpkeepDeps): Promise<void> {
  const { ledger, monitor, now } = deps;
  const unresolved = await ledger.unresolved();
  const open = new Set(unresolved.map(({ id }) => id));
  for (const child of unresolved) {
    if (child.parentId === undefined || open.has(child.parentId) || !(await ownResource(child.resourceId, deps)))
      continue;
    // It is well, and only has to stay so for a while longer.
    const state = child.resourceId === undefined ? undefined : (await monitor.status(child.resourceId))?.state;
    if (child.symptom === 'service.down' && (state === 'up' || state === 'degraded')) continue;
    const parent = await ledger.get(child.parentId);
    if (!parent?.resolvedAt || now().getTime() - parent.resolvedAt.getTime() < CHILD_GRACE_MS) continue;
    await ledger.release(child.id, `What explained it is over, and it is still down: ${parent.title}`);
  }
}
