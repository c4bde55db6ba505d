import type { ServiceName } from './stack.ts';

/** What Steward said happened: an event of its stream. */
export interface SeenEvent {
  readonly id: number;
  readonly type: string;
  readonly at: string;
  readonly subject?: { readonly kind: string; readonly id: string } | undefined;
  readonly data: Readonly<Record<string, unknown>>;
}

/** What Docker said happened to a container of the stack: it does not know what Steward thinks. */
export interface ContainerEvent {
  readonly service: ServiceName;
  readonly action: string;
  readonly at: string;
}

export interface SeenRun {
  readonly id: string;
  readonly automation: string;
  readonly status: string;
  readonly trigger: string;
  readonly createdAt: string;
  readonly target?: { readonly id: string; readonly name: string } | undefined;
  readonly causation?: { readonly incidentId?: string | undefined } | undefined;
  readonly checks: readonly { readonly name: string; readonly ok: boolean }[];
}

export interface SeenAlert {
  readonly kind: string;
  readonly title: string;
  readonly text: string;
  readonly incidentId?: string | undefined;
}

/** A true-or-false statement with what it rests on. */
export interface Statement {
  readonly name: string;
  readonly ok: boolean;
  readonly evidence: string;
}

/** Everything that was seen of one fault, from the blow on. Judged by pure functions: what they say can be tested. */
export interface Story {
  readonly struckAt: string;
  /** The resources of the services, as the isolated Steward knows them. */
  readonly struck: Readonly<Partial<Record<ServiceName, string>>>;
  readonly bystanders: Readonly<Partial<Record<ServiceName, string>>>;
  /** Of these resources and their incidents. */
  readonly events: readonly SeenEvent[];
  readonly containers: readonly ContainerEvent[];
  /** That touch these resources, begun after the blow. */
  readonly runs: readonly SeenRun[];
  readonly alerts: readonly SeenAlert[];
  /** Instants that the fault remembered while it was injected. */
  readonly marks: Readonly<Record<string, string>>;
  /** Asked by the game day itself, at the end. */
  readonly after: Readonly<Partial<Record<ServiceName, { readonly well: boolean; readonly says: string }>>>;
}

export function resourceOf({ data, subject }: SeenEvent): string | undefined {
  const named = data['resourceId'];
  return typeof named === 'string' ? named : subject?.kind === 'incident' ? undefined : subject?.id;
}

export function ofType(story: Pick<Story, 'events'>, type: string, resourceId?: string): SeenEvent[] {
  return story.events.filter(
    (event) => event.type === type && (resourceId === undefined || resourceOf(event) === resourceId),
  );
}

/** Starts of the containers since the blow, whoever asked for them. */
export function startsOf({ containers }: Pick<Story, 'containers'>, services: readonly string[]): ContainerEvent[] {
  return containers.filter(({ service, action }) => action === 'start' && services.includes(service));
}

/** That a container was started so many times since the blow, and not once more, by whomever. */
export function started(story: Story, service: string, times: number): Statement {
  const { length } = startsOf(story, [service]);
  const often = times === 0 ? 'not started by anybody' : times === 1 ? 'started once' : `started ${times} times`;
  return { name: `${service} was ${often}`, ok: length === times, evidence: `${length} starts` };
}

/** That a run of this automation, which healing began, succeeded. */
export function healedBy(story: Story, automation: string): Statement {
  const run = story.runs.find((each) => each.automation === automation && each.trigger === 'healing');
  const others = story.runs.map((each) => each.automation).join(', ') || 'no run';
  return {
    name: `${automation} helped`,
    ok: run?.status === 'succeeded',
    evidence: run ? `${run.id} ${run.status}` : others,
  };
}

const TOLD = ['name', 'title', 'message', 'change', 'attempt', 'runbook', 'outcome', 'why', 'resolution', 'suppressed'];
const LINE = 300;

/** All that was said, by whom and when, a line each. */
export function timelineOf({
  events,
  containers,
  struckAt,
}: Pick<Story, 'events' | 'containers' | 'struckAt'>): string[] {
  return [
    `${struckAt} game day: the blow`,
    ...events
      .filter(({ type }) => type !== 'check.failed')
      .map(({ at, type, data }) => {
        const more = TOLD.flatMap((member) =>
          data[member] === undefined ? [] : [`${member} ${String(data[member])}`],
        );
        return `${at} steward: ${type} ${more.join(', ')}`.slice(0, LINE);
      }),
    ...containers.map(({ at, service, action }) => `${at} docker: ${action} ${service}`),
  ].toSorted();
}
