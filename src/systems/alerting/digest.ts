import { type Kysely, sql } from 'kysely';
import type { Alert } from '../../core/alert.ts';
import { formatDuration } from '../../core/duration.ts';
import type { EventType } from '../../core/event.ts';
import type { Incident } from '../../core/incident.ts';
import { redactText } from '../../core/redact.ts';
import { type CountedEvents, countEvents } from '../../store/event-counts.ts';
import type { EventTables } from '../../store/event-tables.ts';
import { ruleInWords } from './budget.ts';
import { alertId } from './compose-alert.ts';
import type { AlertTables } from './tables.ts';

export const DIGEST_HOUR = 7;
const DAY_MS = 86_400_000;
const NAMED = 20;

const COUNTED = [
  'backup.completed',
  'backup.failed',
  'backup.proven',
  'backup.unsound',
  'healing.succeeded',
  'healing.failed',
  'incident.opened',
  'incident.escalated',
  'incident.resolved',
  'run.finished',
] as const satisfies readonly EventType[];

type Count = CountedEvents;

/** What went well is told once a day, together: failures have been told at once. */
export async function composeDigest(
  db: Kysely<EventTables & AlertTables>,
  { until, open, node }: { readonly until: Date; readonly open: readonly Incident[]; readonly node: string },
): Promise<Alert> {
  const from = new Date(until.getTime() - DAY_MS);
  const rows = await countEvents(db, COUNTED, { from, to: until });
  const { rows: quiet } = await sql<{ title: string; count: number }>`
    select a.title, count(*)::int as count from alerts a
    where a.kind = 'opened' and a.state = 'sent' and a.at >= ${from} and a.at < ${until}
      and not exists (select from alert_deliveries d where d.alert_id = a.id)
    group by 1 order by 2 desc, 1`.execute(db);
  const proposed = await db
    .selectFrom('alert_proposals')
    .select(['symptom', 'service'])
    .where('state', '=', 'proposed')
    .orderBy('pages', 'desc')
    .execute();
  const of = (type: (typeof COUNTED)[number]): Count[] => rows.filter((row) => row.type === type);
  const total = (type: (typeof COUNTED)[number]): number => sum(of(type));
  const failed = of('run.finished').filter(({ status }) => FAILED.has(status));
  const done = of('run.finished').filter(({ status }) => status === 'succeeded');

  return {
    // The day, not the instant: whichever node composes it, and however late, it is one.
    id: alertId('digest', until.toISOString().slice(0, 10)),
    kind: 'digest',
    severity: 'info',
    title: titleOf(open.length, total('backup.failed') + total('backup.unsound') + sum(failed)),
    text: [
      `${clock(from)} to ${clock(until)} UTC`,
      `Backups: ${plural(total('backup.completed'), 'copy', 'copies')} made${naming(of('backup.completed'))}, ${total('backup.failed')} failed${naming(of('backup.failed'))}.`,
      `Restored and proven: ${total('backup.proven')}${naming(of('backup.proven'), ({ restoreMs }) => (restoreMs === null ? '' : ` in ${formatDuration(restoreMs)}`))}${unsound(of('backup.unsound'))}.`,
      `Healed: ${total('healing.succeeded')}; attempts that did not help: ${total('healing.failed')}.`,
      `Problems: ${total('incident.opened')} began, ${total('incident.resolved')} ended, ${total('incident.escalated')} needed a person.`,
      ...(quiet.length === 0
        ? []
        : [
            `Told here only: ${list(quiet.map(({ title, count }) => `${redactText(title)}${count > 1 ? ` (${count} times)` : ''}`))}.`,
          ]),
      ...(proposed.length === 0
        ? []
        : [
            `Hardly ever acted on, and proposed for this message only: ${list(proposed.map(({ symptom, service }) => ruleInWords({ symptom, service: service ?? undefined })))}. steward alert proposals shows why.`,
          ]),
      `Runs: ${sum(done)} succeeded${naming(done)}; ${sum(failed)} failed${naming(failed)}.`,
      open.length === 0 ? 'Nothing is open.' : `Open now: ${list(open.map(({ title }) => redactText(title)))}.`,
    ].join('\n'),
    node,
    at: until,
  };
}

const FAILED: ReadonlySet<string> = new Set(['failed', 'rolled-back', 'rollback-failed']);

function titleOf(open: number, failures: number): string {
  if (open > 0) return `The last day: ${plural(open, 'problem is', 'problems are')} open`;
  return failures > 0
    ? `The last day: all is well again after ${plural(failures, 'failure', 'failures')}`
    : 'The last day: all is well';
}

function unsound(rows: readonly Count[]): string {
  return rows.length === 0 ? '' : `; ${sum(rows)} found unsound${naming(rows)}`;
}

/** `(crm 4, docs 2)`, the names as far as there is room. */
function naming(rows: readonly Count[], more: (row: Count) => string = () => ''): string {
  const names = rows
    .filter(({ of }) => of !== '')
    .map((row) => `${row.of}${row.count > 1 ? ` ${row.count}` : ''}${more(row)}`);
  return names.length === 0 ? '' : ` (${list(names)})`;
}

function list(names: readonly string[]): string {
  const rest = names.length - NAMED;
  return `${names.slice(0, NAMED).join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`;
}

const sum = (rows: readonly Count[]): number => rows.reduce((all, { count }) => all + count, 0);
const plural = (count: number, one: string, many: string): string => `${count} ${count === 1 ? one : many}`;
const clock = (at: Date): string => at.toISOString().slice(0, 16).replace('T', ' ');
