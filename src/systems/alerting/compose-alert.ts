import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { Alert } from '../../core/alert.ts';
import { formatDuration } from '../../core/duration.ts';
import type { StewardEvent } from '../../core/event.ts';
import type { Incident, TimelineEntry } from '../../core/incident.ts';
import { redactText } from '../../core/redact.ts';

export interface Story {
  readonly event: StewardEvent;
  readonly incident: Incident;
  readonly service: string | undefined;
  readonly timeline: readonly TimelineEntry[];
  /** Names of what needs the service: they fail with it, and nobody is told of them separately. */
  readonly dependents?: readonly string[] | undefined;
  readonly node: string;
  /** Where people reach Steward. */
  readonly baseUrl: string | undefined;
}

const MINUTE_MS = 60_000;
const TITLE_LENGTH = 200;
const TEXT_LENGTH = 3_000;
const DEPENDENTS_LENGTH = 1_500;
const ENTRY_LENGTH = 300;
const ENTRIES = 8;
const LOG_LINES = 8;
const LOG_LINE_LENGTH = 160;
const TOLD: ReadonlySet<TimelineEntry['kind']> = new Set([
  'symptom',
  'evidence',
  'child',
  'attempt',
  'outcome',
  'note',
  'escalated',
  'reopened',
]);

/** The same event always gives the same id, so an event that is handled twice is one alert. */
export function alertId(...of: readonly string[]): string {
  return `alr_${createHash('sha256').update(of.join('\n')).digest('hex').slice(0, 20)}`;
}

export function openedAlert(story: Story): Alert {
  const { incident } = story;
  const again =
    story.event.data['reopened'] === true ? `It is back, for the ${ordinal(incident.occurrences)} time.` : '';
  return alert(story, 'opened', incident.severity, incident.title, [
    `${incident.symptom} since ${clock(incident.openedAt)}. ${again}`.trim(),
    ...affected(story.dependents ?? []),
    ...history(story.timeline),
  ]);
}

/** Still there, and nobody has said that they take care of it. */
export function reminderAlert(story: Story, at: Date): Alert {
  const { incident } = story;
  const lasted = formatDuration(Math.max(0, at.getTime() - incident.openedAt.getTime()));
  return {
    ...alert(story, 'reminder', incident.severity, `Still open after ${lasted}: ${incident.title}`, [
      `${incident.symptom} since ${clock(incident.openedAt)}. Acknowledge it to hear no more until it is over.`,
      ...affected(story.dependents ?? []),
      ...history(story.timeline),
    ]),
    at,
  };
}

/** Nobody has taken it: the next ones are told. */
export function unansweredAlert(story: Story, { at, waitedMs }: { at: Date; waitedMs: number }): Alert {
  const { incident } = story;
  const why =
    waitedMs < MINUTE_MS
      ? `For the ${ordinal(incident.occurrences)} time`
      : `Nobody has taken it for ${formatDuration(Math.floor(waitedMs / MINUTE_MS) * MINUTE_MS)}`;
  return {
    ...alert(story, 'escalated', incident.severity, `${why}: ${incident.title}`, [
      `${incident.symptom} since ${clock(incident.openedAt)}. Acknowledge it, so that nobody else is called.`,
      ...affected(story.dependents ?? []),
      ...history(story.timeline),
    ]),
    at,
  };
}

/** Who fails with it, by name as far as there is room. */
function affected(dependents: readonly string[]): string[] {
  if (dependents.length === 0) return [];
  const named: string[] = [];
  let length = 0;
  for (const name of dependents) {
    length += name.length + 2;
    if (length > DEPENDENTS_LENGTH) break;
    named.push(name);
  }
  const more = dependents.length - named.length;
  return [
    `${dependents.length} need${dependents.length === 1 ? 's' : ''} it and fail${dependents.length === 1 ? 's' : ''} with it: ${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}.`,
  ];
}

/** A person is needed, so it is never less than a warning. */
export function escalatedAlert(story: Story): Alert {
  const { incident, event } = story;
  const why = textOf(event.data['why']) ?? 'Healing gave up.';
  return alert(
    story,
    'escalated',
    incident.severity === 'info' ? 'warning' : incident.severity,
    `Needs a person: ${incident.title}`,
    [why, ...history(story.timeline), ...learned(event.data['learned']), 'Steward leaves it alone from here on.'],
  );
}

/** For receivers that call people until somebody takes it. */
export function acknowledgedAlert(story: Story): Alert {
  const by = textOf(story.event.data['by']) ?? story.incident.acknowledgedBy ?? 'Somebody';
  const { severity, title } = story.incident;
  return alert(story, 'acknowledged', severity, `${by} takes care of it: ${title}`, [
    `${by} acknowledged it in Steward.`,
  ]);
}

export function resolvedAlert(story: Story): Alert {
  return alert(story, 'resolved', story.incident.severity, `Resolved: ${story.incident.title}`, resolution(story));
}

/** Nobody was told that it began, so its end is no more than a line to read later. */
export function healedAlert(story: Story): Alert {
  return alert(story, 'resolved', 'info', `Over before anyone was told: ${story.incident.title}`, [
    ...resolution(story),
    ...history(story.timeline),
  ]);
}

function resolution({ event, incident }: Story): string[] {
  const end = incident.resolvedAt ?? event.at;
  const lasted = formatDuration(Math.max(0, end.getTime() - incident.openedAt.getTime()));
  return [
    textOf(event.data['resolution']) ?? incident.resolution ?? 'The symptom stayed away.',
    `It lasted ${lasted}, from ${clock(incident.openedAt)} to ${clock(end)}.`,
  ];
}

function alert(
  { event, incident, service, node, baseUrl }: Story,
  kind: Alert['kind'],
  severity: Alert['severity'],
  title: string,
  lines: readonly string[],
): Alert {
  return {
    id: alertId(String(event.id), event.at.toISOString()),
    kind,
    severity,
    title: cut(redactText(title), TITLE_LENGTH),
    text: cut(redactText(lines.join('\n')), TEXT_LENGTH),
    incidentId: incident.id,
    ...(service === undefined ? {} : { service }),
    node: event.node ?? node,
    at: event.at,
    ...(baseUrl === undefined
      ? {}
      : { url: `${baseUrl.replace(/\/$/, '')}/#incident=${encodeURIComponent(incident.id)}` }),
  };
}

function history(timeline: readonly TimelineEntry[]): string[] {
  const told = timeline.filter(({ kind }) => TOLD.has(kind)).slice(-ENTRIES);
  return told.map(({ at, message }) => `${clock(at)} ${cut(message.replaceAll(/\s+/g, ' '), ENTRY_LENGTH)}`);
}

/** The last words of the service say most of what was learned; all of it is in the incident. */
const LastWords = z.object({
  evidence: z.object({ logs: z.object({ source: z.string(), lines: z.array(z.string()).min(1) }) }),
});

function learned(value: unknown): string[] {
  if (value === undefined || value === null || (typeof value === 'object' && Object.keys(value).length === 0))
    return [];
  const known = LastWords.safeParse(value).data;
  if (known) {
    const { source, lines } = known.evidence.logs;
    return [
      `The last lines of the ${source}:`,
      ...lines.slice(-LOG_LINES).map((line) => `  ${cut(line, LOG_LINE_LENGTH)}`),
    ];
  }
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return [`Learned: ${cut(text, 1_500)}`];
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function clock(at: Date): string {
  return `${at.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}

function ordinal(count: number): string {
  const suffix = count % 100 >= 11 && count % 100 <= 13 ? 'th' : (['th', 'st', 'nd', 'rd'][count % 10] ?? 'th');
  return `${count}${suffix}`;
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length - 1)}…`;
}
