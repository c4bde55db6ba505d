import type { Fault } from './fault.ts';
import { ofType, type SeenEvent, startsOf, type Statement, type Story } from './story.ts';

export type OutcomeKind = 'healed' | 'escalated' | 'left-alone' | 'missed';

export interface Verdict {
  readonly outcome: OutcomeKind;
  /** From the blow until it was over, or until a person was told. */
  readonly seconds: number | undefined;
  readonly statements: readonly Statement[];
  readonly incidents: readonly string[];
  readonly runs: readonly string[];
}

type Judged = Pick<Fault, 'expect' | 'attempts' | 'further' | 'heralds'>;

/** Whether Steward did what the fault calls for. A fault counts only where every statement holds. */
export function judge(fault: Judged, seen: Story): Verdict {
  const story = withoutHeralds(fault, seen);
  const incidents = [...new Set(ofType(story, 'incident.opened').map(({ data }) => String(data['incidentId'])))];
  const statements = [
    ...EXPECTATIONS[fault.expect](fault, story),
    ...bystanders(story),
    ...(fault.further?.(story) ?? []),
  ];
  const ended = fault.expect === 'left-alone' ? undefined : lastOf(story, ENDS[fault.expect]);
  return {
    outcome: statements.every(({ ok }) => ok) ? fault.expect : 'missed',
    seconds: ended && (Date.parse(ended.at) - Date.parse(story.struckAt)) / 1_000,
    statements,
    incidents,
    runs: story.runs.map(({ id }) => id),
  };
}

/** Whether nothing more is to be waited for; what must not happen is waited for separately. */
export function isSettled(fault: Judged, seen: Story): boolean {
  const story = withoutHeralds(fault, seen);
  const struck = Object.values(story.struck);
  switch (fault.expect) {
    case 'healed':
      return (
        struck.every((id) => isOver(story, id)) ||
        struck.some((id) => ofType(story, 'incident.escalated', id).length > 0)
      );
    case 'escalated':
      return struck.every((id) => ofType(story, 'incident.escalated', id).length > 0);
    case 'left-alone':
      return true;
  }
}

function withoutHeralds({ heralds = [] }: Judged, story: Story): Story {
  const theirs = new Set(
    ofType(story, 'incident.opened')
      .filter(({ data }) => heralds.some((problem) => problem === data['symptom']))
      .map(({ data }) => data['incidentId']),
  );
  return { ...story, events: story.events.filter(({ data }) => !theirs.has(data['incidentId'])) };
}

const ENDS = { healed: 'incident.resolved', escalated: 'incident.escalated' } as const;

function isOver(story: Story, resourceId: string): boolean {
  const ends = new Map<unknown, boolean>();
  for (const { type, data } of story.events) {
    if (data['resourceId'] !== resourceId) continue;
    if (type === 'incident.opened') ends.set(data['incidentId'], false);
    if (type === 'incident.resolved') ends.set(data['incidentId'], true);
  }
  return ends.size > 0 && [...ends.values()].every(Boolean);
}

function lastOf(story: Story, type: string): SeenEvent | undefined {
  return ofType(story, type)
    .toSorted((a, b) => a.id - b.id)
    .at(-1);
}

const EXPECTATIONS: Record<Fault['expect'], (fault: Judged, story: Story) => Statement[]> = {
  healed({ attempts = [1, 1] }, story) {
    return Object.entries(story.struck).flatMap(([name, id]) => [
      noticed(name, id, story),
      statement(`the heal of ${name} held for its soak`, ofType(story, 'healing.succeeded', id).length === 1, () =>
        told(ofType(story, 'healing.succeeded', id), 'outcome'),
      ),
      statement(`the incident of ${name} is resolved`, isOver(story, id), () =>
        told(ofType(story, 'incident.resolved', id), 'resolution'),
      ),
      proven(name, id, story),
      tried(name, id, attempts, story),
      onlyOne(name, id, story),
      statement(`${name} answers`, story.after[name as keyof Story['after']]?.well === true, () =>
        String(story.after[name as keyof Story['after']]?.says),
      ),
    ]);
  },

  escalated({ attempts = [1, 1] }, story) {
    return Object.entries(story.struck).flatMap(([name, id]) => {
      const [first, ...more] = ofType(story, 'incident.escalated', id);
      const incidentId = first?.data['incidentId'];
      const alerts = story.alerts.filter((alert) => alert.kind === 'escalated' && alert.incidentId === incidentId);
      const late = first ? startsOf(story, [name]).filter(({ at }) => Date.parse(at) > Date.parse(first.at)) : [];
      return [
        noticed(name, id, story),
        statement(`${name} was handed to a person, once`, first !== undefined && more.length === 0, () =>
          told(ofType(story, 'incident.escalated', id), 'why'),
        ),
        statement(`one alert says so`, alerts.length === 1, () =>
          alerts.length === 0 ? 'no alert arrived' : alerts.map(({ title }) => title).join('; '),
        ),
        tried(name, id, attempts, story),
        onlyOne(name, id, story),
        statement(`${name} is not restarted afterwards`, late.length === 0, () => `${late.length} starts afterwards`),
      ];
    });
  },

  'left-alone'(_fault, story) {
    return Object.entries(story.struck).flatMap(([name, id]) => [
      statement(`healing did nothing to ${name}`, ofType(story, 'healing.started', id).length === 0, () =>
        told(ofType(story, 'healing.started', id), 'runbook'),
      ),
      statement(`nobody was called because of ${name}`, ofType(story, 'incident.escalated', id).length === 0, () =>
        told(ofType(story, 'incident.escalated', id), 'why'),
      ),
    ]);
  },
};

/** Whoever suffers along is explained by the one that was struck, and nothing is done to it. */
function bystanders(story: Story): Statement[] {
  return Object.entries(story.bystanders).flatMap(([name, id]) => {
    const starts = startsOf(story, [name]);
    const orphans = ofType(story, 'incident.opened', id).filter(
      ({ data }) => data['suppressed'] !== true && data['parentId'] === undefined,
    );
    return [
      statement(`${name} was not restarted`, starts.length === 0, () => `${starts.length} starts`),
      statement(`no incident of its own for ${name}`, orphans.length === 0, () => told(orphans, 'title')),
    ];
  });
}

function noticed(name: string, id: string, story: Story): Statement {
  const opened = ofType(story, 'incident.opened', id);
  return statement(`${name} was noticed`, opened.length > 0, () => told(opened, 'title'));
}

function proven(name: string, id: string, story: Story): Statement {
  const incidents = new Set(ofType(story, 'incident.opened', id).map(({ data }) => data['incidentId']));
  // What helps may work on something else than the service: the disk that it fills, the session that blocks it.
  const runs = story.runs.filter(
    ({ causation, trigger }) => trigger === 'healing' && incidents.has(causation?.incidentId),
  );
  const last = runs.toSorted((a, b) => a.createdAt.localeCompare(b.createdAt)).at(-1);
  const failed = last?.checks.filter(({ ok }) => !ok) ?? [];
  return statement(
    `the run that healed ${name} proved it`,
    last?.status === 'succeeded' && last.checks.length > 0 && failed.length === 0,
    () => (last ? `${last.id} ${last.automation} ${last.status}, ${last.checks.length} checks` : 'there is no run'),
  );
}

function tried(name: string, id: string, [atLeast, atMost]: readonly [number, number], story: Story): Statement {
  const made = ofType(story, 'healing.started', id).length;
  const range = atLeast === atMost ? `${atLeast}` : `${atLeast} to ${atMost}`;
  return statement(
    `${range} attempts on ${name}`,
    made >= atLeast && made <= atMost,
    () => `${made} attempts, ${startsOf(story, [name]).length} starts of the container`,
  );
}

function onlyOne(name: string, id: string, story: Story): Statement {
  const ids = new Set(ofType(story, 'incident.opened', id).map(({ data }) => data['incidentId']));
  return statement(`one incident for ${name}`, ids.size === 1, () => [...ids].join(', ') || 'no incident');
}

function statement(name: string, ok: boolean, evidence: () => string): Statement {
  return { name, ok, evidence: evidence() };
}

function told(events: readonly SeenEvent[], member: string): string {
  if (events.length === 0) return 'nothing was said of it';
  return events.map(({ data }) => String(data[member] ?? data['title'] ?? '')).join('; ');
}
