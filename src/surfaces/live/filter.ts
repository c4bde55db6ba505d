import { z } from 'zod';
import { type Actor, may } from '../../core/actor.ts';
import { EVENTS, type StewardEvent } from '../../core/event.ts';
import { Severity } from '../../core/incident.ts';

const MOST = 50;

const TypePattern = z
  .string()
  .max(60)
  .regex(/^[a-z*][a-z*.-]*$/, 'expected a type of event, with * for any part of it: service.*')
  .refine((pattern) => Object.keys(EVENTS).some((type) => matching(pattern).test(type)), {
    message: 'no event is called so; docs/reference/events.md lists them',
  });

/** What of the events somebody wants to hear. Members narrow together, values of one member widen. */
export const LiveFilter = z.strictObject({
  types: z.array(TypePattern).min(1).max(MOST).optional().describe('Types of events: run.failed, service.*'),
  subjects: z
    .array(z.string().min(1).max(300))
    .min(1)
    .max(MOST)
    .optional()
    .describe('What they are about: an id, or kind:id.'),
  runs: z.array(z.string().min(1).max(100)).min(1).max(MOST).optional().describe('Runs they are about or come of.'),
  severity: Severity.optional().describe('No less severe than this.'),
});
export type LiveFilter = z.output<typeof LiveFilter>;

export type Wanted = (event: StewardEvent) => boolean;

/** Whether this actor may hear of an event and asked for it. What security reports is for who may read the record. */
export function wantedBy(actor: Actor, filter: LiveFilter): Wanted {
  const audits = may(actor, 'audit');
  const types = filter.types?.map(matching);
  const subjects = filter.subjects && new Set(filter.subjects);
  const runs = filter.runs && new Set(filter.runs);
  const least = filter.severity && Severity.options.indexOf(filter.severity);
  return (event) => {
    const { type, subject, causation } = event;
    if (!audits && type.startsWith('security.')) return false;
    if (types && !types.some((pattern) => pattern.test(type))) return false;
    if (subjects && !(subject && (subjects.has(subject.id) || subjects.has(`${subject.kind}:${subject.id}`))))
      return false;
    if (runs && !(subject?.kind === 'run' && runs.has(subject.id)) && !runs.has(causation?.runId ?? '')) return false;
    return least === undefined || Severity.options.indexOf(severityOf(event)) >= least;
  };
}

const CRITICAL = /\.(down|lost|escalated|broken)$|^security\.anomaly$/;
const WARNING =
  /\.(failed|rejected|degraded|opened|refused|unknown|gone|locked-out|failed-access|waiting-approval|rolled-back)$/;

/** As the event itself says, or as its type does. */
export function severityOf({ type, data }: Pick<StewardEvent, 'type' | 'data'>): Severity {
  const said = Severity.safeParse(data['severity']);
  if (said.success) return said.data;
  return CRITICAL.test(type) ? 'critical' : WARNING.test(type) ? 'warning' : 'info';
}

function matching(pattern: string): RegExp {
  return new RegExp(`^${pattern.replaceAll('.', String.raw`\.`).replaceAll(/\*+/g, '.*')}$`);
}
