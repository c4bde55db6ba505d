import type { Incident } from '../../core/incident.ts';
import type { JsonObject } from '../../core/json.ts';
import { isParalyzing, isProblem, type NamedProblem, problemsOf, type ServiceStatus } from '../../core/monitor.ts';
import type { Resource } from '../../core/resource.ts';
import { beingHealed, blame, incidentsOf, type Suspect } from './dependencies.ts';
import type { SymptomDeps } from './symptom-deps.ts';

export interface ProblemDeps extends Pick<SymptomDeps, 'ledger' | 'monitor' | 'maintenance' | 'now'> {
  collect(
    resource: Resource,
    status: ServiceStatus | undefined,
    at: Date,
    signal: AbortSignal,
  ): Promise<{ readonly dependencies: Suspect[]; readonly evidence: JsonObject }>;
  adopt(parent: Incident, resource: Resource): Promise<void>;
  settleChildren(parent: Incident, resource: { readonly name: string }): Promise<unknown>;
}

export interface Problems {
  /**
   * Opens an incident for each trouble that a check names and ends those whose trouble is gone. True where one of them would
   * explain that the resource is down, so that nobody needs a second incident which says only that it is.
   */
  settle(resource: Resource, signal: AbortSignal, options?: { readonly closedByHandMs?: number }): Promise<boolean>;
}

export const problemFingerprint = (problem: string, resourceId: string): string => `${problem}:${resourceId}`;

/** Incidents of troubles that have a name: one for each resource and trouble, whatever state the service is in. */
export function createProblems(deps: ProblemDeps): Problems {
  const { ledger, monitor, now } = deps;
  const turns = new Map<string, Promise<unknown>>();

  /** An event and the upkeep may look at one resource at once; the second one has to see what the first one opened. */
  async function settle(...asked: Parameters<Problems['settle']>): Promise<boolean> {
    const [{ id }] = asked;
    const turn = (turns.get(id) ?? Promise.resolve()).then(() => settleNow(...asked));
    const over = turn.catch(() => undefined);
    turns.set(id, over);
    try {
      return await turn;
    } finally {
      if (turns.get(id) === over) turns.delete(id);
    }
  }

  async function settleNow(
    resource: Resource,
    signal: AbortSignal,
    { closedByHandMs = 0 }: { readonly closedByHandMs?: number } = {},
  ): Promise<boolean> {
    const status = await monitor.status(resource.id);
    // Who cannot see has nothing to say, neither that it began nor that it is over.
    if (!status || status.state === 'unknown' || status.state === 'pending') return false;
    const named = problemsOf(status);
    const isWorkedOn = (await deps.maintenance?.activeFor(resource, now())) !== undefined;
    const own = await ledger.unresolved({ resourceIds: [resource.id] });
    const isHealed = beingHealed(resource, own) !== undefined;
    for (const each of named) {
      let incident = await ledger.byFingerprint(problemFingerprint(each.problem, resource.id));
      const isOpen = incident !== undefined && incident.status !== 'resolved';
      const isYoung = incident?.resolvedAt && now().getTime() - incident.resolvedAt.getTime() < closedByHandMs;
      const isWorse = isOpen && incident?.severity === 'warning' && severityOf(each, status) === 'critical';
      if (!isWorkedOn && !(isHealed && explains(each)) && (isWorse || (!isOpen && !isYoung)))
        incident = await begin(resource, each, status, signal);
      if (incident && incident.status !== 'resolved' && explains(each)) await joinDown(incident, own);
    }
    for (const incident of own) {
      if (isProblem(incident.symptom) && !named.some(({ problem }) => problem === incident.symptom))
        await end(incident, resource, status);
    }
    return named.some(explains);
  }

  async function begin(
    resource: Resource,
    named: NamedProblem,
    status: ServiceStatus,
    signal: AbortSignal,
  ): Promise<Incident> {
    const { problem, message } = named;
    const severity = severityOf(named, status);
    const at = now();
    const { dependencies, evidence } = await deps.collect(resource, status, at, signal);
    const { parent } = severity === 'critical' ? blame(dependencies, await incidentsOf(dependencies, ledger), at) : {};
    const incident = await ledger.open({
      fingerprint: problemFingerprint(problem, resource.id),
      resourceId: resource.id,
      title: `${TITLES[problem](resource.name)}: ${message.slice(0, 200)}`,
      symptom: problem,
      severity,
      parentId: parent?.id,
      evidence: { problem, ...evidence },
    });
    // A database that is locked answers, and those that need it are down of that all the same.
    if (severity === 'critical' || isParalyzing(problem)) await deps.adopt(incident, resource);
    return incident;
  }

  /** It was called down before anybody could say why; now somebody can. */
  async function joinDown(problem: Incident, own: readonly Incident[]): Promise<void> {
    const down = own.find(({ symptom, status }) => symptom === 'service.down' && status === 'open');
    if (down && down.parentId === undefined && problem.parentId !== down.id)
      await ledger.attach(down.id, problem.id, `What is wrong has a name now: ${problem.title}`);
  }

  async function end(incident: Incident, resource: Resource, { state }: ServiceStatus): Promise<void> {
    // Whether a heal counts is decided at the end of its soak window; and what does not answer at all has not said that it is over.
    if (incident.status === 'healing' || (state === 'down' && incident.symptom !== 'process.frozen')) return;
    await ledger.resolve(
      incident.id,
      state === 'stopped' ? 'It was stopped on purpose.' : `The checks of ${resource.name} do not find it any more.`,
    );
    await deps.settleChildren(incident, resource);
  }

  return { settle };
}

function explains({ problem, state }: NamedProblem): boolean {
  return state === 'down' || isParalyzing(problem);
}

function severityOf(named: NamedProblem, { state }: ServiceStatus): Incident['severity'] {
  return named.state === 'down' || (state === 'down' && explains(named)) ? 'critical' : 'warning';
}

const TITLES: Readonly<Record<NamedProblem['problem'], (name: string) => string>> = {
  'disk.full': (name) => `A disk of ${name} is full`,
  'inodes.full': (name) => `A file system of ${name} is out of inodes`,
  'memory.high': (name) => `The memory of ${name} is used up`,
  'load.high': (name) => `The load of ${name} is high`,
  'database.locked': (name) => `${name} is locked`,
  'pool.exhausted': (name) => `${name} has no connection left`,
  'process.frozen': (name) => `${name} is frozen`,
};
