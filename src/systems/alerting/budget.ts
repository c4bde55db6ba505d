import { type Kysely, sql } from 'kysely';
import { atLeast } from '../../core/alert-routing.ts';
import type { Severity } from '../../core/incident.ts';
import type { EventTables } from '../../store/event-tables.ts';
import type { AlertTables } from './tables.ts';

/** What brought people away from what they did: one trouble of one service. */
export interface Rule {
  readonly symptom: string;
  readonly service?: string | undefined;
}

/** acted: somebody did something about it. ignored: it was over, or a day old, and nobody had. waiting: nobody can say yet. */
type Outcome = 'acted' | 'ignored' | 'waiting';

export interface RuleRecord extends Rule {
  /** The worst that it was told with. */
  readonly severity: Severity;
  readonly pages: number;
  /** Of these pages, those about incidents that somebody acted on. */
  readonly actedPages: number;
  readonly incidents: Readonly<Record<Outcome, number>>;
  /** Acted on, of those that can be judged; nothing where none can. */
  readonly precision?: number | undefined;
}

interface ChannelRecord {
  readonly channel: string;
  readonly pages: number;
  readonly perWeek: number;
  readonly lastWeek: number;
}

interface BudgetRecord {
  readonly since: Date;
  readonly rules: readonly RuleRecord[];
  readonly channels: readonly ChannelRecord[];
}

const DAY_MS = 86_400_000;
const WEEK_MS = 7 * DAY_MS;
/** As long as events are kept by default: what people did is read from them. */
export const WINDOW_DAYS = 30;
/** What nobody touched for so long is ignored, open or not. */
const PATIENCE_MS = DAY_MS;
/** Who looks after a page may find it over, and see to it all the same. */
const AFTERWARDS_MS = 3_600_000;

interface Page {
  readonly incidentId: string;
  readonly service: string | null;
  readonly severity: Severity;
  readonly at: Date;
  readonly channels: readonly string[];
}

interface Course {
  readonly id: string;
  readonly symptom: string;
  readonly resourceId: string | null;
  readonly touched: boolean;
  readonly resolvedAt: Date | null;
}

const BY_A_PERSON = sql<boolean>`actor->>'kind' in ('user', 'token') and actor->>'role' <> 'agent'`;

/** Who was told how often, and what came of it, from what was delivered and what people did then. */
export async function readBudget(db: Kysely<AlertTables & EventTables>, now: Date): Promise<BudgetRecord> {
  const since = new Date(now.getTime() - WINDOW_DAYS * DAY_MS);
  const { rows: pages } = await sql<Page>`
    select a.incident_id as "incidentId", a.service, a.severity, a.at, array_agg(d.channel) as channels
    from alerts a join alert_deliveries d on d.alert_id = a.id and d.state = 'delivered'
    where a.kind in ('opened', 'escalated', 'reminder') and a.incident_id is not null and a.at >= ${since}
    group by a.id`.execute(db);
  const ids = [...new Set(pages.map(({ incidentId }) => incidentId))];
  const { rows: courses } = await sql<Course>`
    select causation->>'incidentId' as id, max(data->>'symptom') as symptom, max(data->>'resourceId') as "resourceId",
      coalesce(bool_or(${BY_A_PERSON}), false) as touched, max(at) filter (where type = 'incident.resolved') as "resolvedAt"
    from events
    where type in ('incident.opened', 'incident.updated', 'incident.acknowledged', 'incident.escalated', 'incident.resolved')
      and causation->>'incidentId' = any(${ids}::text[])
    group by 1
    -- Of one whose beginning was deleted already, what people did may be gone as well.
    having bool_or(type = 'incident.opened')`.execute(db);
  const { rows: runs } = await sql<{ resourceId: string; at: Date }>`
    select data->'target'->>'id' as "resourceId", at from events
    where type = 'run.finished' and at >= ${since} and ${BY_A_PERSON}
      and coalesce(data->>'dryRun', 'false') <> 'true' and data->'target'->>'id' is not null`.execute(db);
  return { since, rules: rulesOf(pages, courses, runs, now), channels: channelsOf(pages, now) };
}

function rulesOf(
  pages: readonly Page[],
  courses: readonly Course[],
  runs: readonly { readonly resourceId: string; readonly at: Date }[],
  now: Date,
): RuleRecord[] {
  const known = new Map(courses.map((course) => [course.id, course]));
  const told = [...Map.groupBy(pages, ({ incidentId }) => incidentId)].flatMap(([id, its]) => {
    const course = known.get(id);
    if (!course) return [];
    const first = Math.min(...its.map(({ at }) => at.getTime()));
    const until = (course.resolvedAt ?? now).getTime() + AFTERWARDS_MS;
    const didRun = runs.some(
      ({ resourceId, at }) => resourceId === course.resourceId && at.getTime() >= first && at.getTime() <= until,
    );
    return [
      { ...course, pages: its, service: its[0]?.service ?? undefined, outcome: judge(course, didRun, first, now) },
    ];
  });
  const rules = Map.groupBy(told, ({ symptom, service }) => ruleKey({ symptom, service }));
  return [...rules.values()]
    .map((its): RuleRecord => {
      const count = (wanted: Outcome): number => its.filter(({ outcome }) => outcome === wanted).length;
      const incidents = { acted: count('acted'), ignored: count('ignored'), waiting: count('waiting') };
      const judged = incidents.acted + incidents.ignored;
      const severities = its.flatMap(({ pages: each }) => each.map(({ severity }) => severity));
      return {
        symptom: its[0]?.symptom ?? '',
        service: its[0]?.service,
        severity: severities.reduce((worst, each) => (atLeast(each, worst) ? each : worst), 'info'),
        pages: sum(its.map(({ pages: each }) => deliveries(each))),
        actedPages: sum(its.map(({ pages: each, outcome }) => (outcome === 'acted' ? deliveries(each) : 0))),
        incidents,
        ...(judged > 0 && { precision: Math.round((incidents.acted / judged) * 100) / 100 }),
      };
    })
    .toSorted((a, b) => b.pages - a.pages || ruleKey(a).localeCompare(ruleKey(b)));
}

function judge({ touched, resolvedAt }: Course, didRun: boolean, first: number, now: Date): Outcome {
  if (touched || didRun) return 'acted';
  return resolvedAt !== null || now.getTime() - first >= PATIENCE_MS ? 'ignored' : 'waiting';
}

function channelsOf(pages: readonly Page[], now: Date): ChannelRecord[] {
  const each = pages.flatMap(({ channels, at }) => channels.map((channel) => ({ channel, at })));
  return [...Map.groupBy(each, ({ channel }) => channel)]
    .map(([channel, its]) => ({
      channel,
      pages: its.length,
      perWeek: Math.round((its.length / WINDOW_DAYS) * 70) / 10,
      lastWeek: its.filter(({ at }) => now.getTime() - at.getTime() < WEEK_MS).length,
    }))
    .toSorted((a, b) => b.pages - a.pages || a.channel.localeCompare(b.channel));
}

export const ruleKey = ({ symptom, service }: Rule): string => `${symptom}\n${service ?? ''}`;

/** `disk.full of crm` */
export const ruleInWords = ({ symptom, service }: Rule): string =>
  service === undefined ? symptom : `${symptom} of ${service}`;

const deliveries = (pages: readonly Page[]): number => sum(pages.map(({ channels }) => channels.length));
const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);
