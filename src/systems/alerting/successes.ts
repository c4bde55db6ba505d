import type { Alert } from '../../core/alert.ts';
import {
  type AlertRoute,
  type AlertRouting,
  mismatch,
  type Recipient,
  routeName,
  type Taker,
} from '../../core/alert-routing.ts';
import type { EventType, StewardEvent } from '../../core/event.ts';
import { hoursEnd } from '../../core/hours.ts';
import type { Inventory } from '../../core/inventory.ts';
import type { JsonObject } from '../../core/json.ts';
import { redactText } from '../../core/redact.ts';
import { alertId } from './compose-alert.ts';
import type { Outbox } from './outbox.ts';
import type { Recipients } from './recipients.ts';
import { hearsOfAcknowledgement } from './settings.ts';

/** What can go well. */
export const SUCCESSES_HEARD: readonly EventType[] = ['run.finished', 'backup.completed', 'backup.proven'];

/** As a route sees it: by its own name, and by that of the trouble which it is the opposite of. It has no severity. */
interface SuccessSubject {
  readonly names: readonly string[];
  readonly service?: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
}

export interface SuccessDecision {
  readonly route: string;
  readonly tell: 'digest' | 'now' | 'never';
  readonly told: readonly Taker[];
  /** When the digest comes. */
  readonly at?: Date | undefined;
}

const OPPOSITES: readonly (readonly [success: string, failure: string])[] = [
  ['run.succeeded', 'run.failed'],
  ['backup.completed', 'backup.failed'],
  ['backup.proven', 'backup.unsound'],
];

/** How what is the opposite of this trouble is named, and what a success is found by. */
export function successNames(symptom: string): readonly string[] {
  return OPPOSITES.find((pair) => pair.includes(symptom)) ?? [symptom];
}

/** Of the routes that say what becomes of successes, the first that fits. */
export function decideSuccess(
  { routes }: Pick<AlertRouting, 'routes'>,
  recipients: readonly Recipient[],
  { names, service, labels }: SuccessSubject,
  at: Date,
): SuccessDecision | undefined {
  const fits = (route: AlertRoute): boolean =>
    (route.when === undefined || hoursEnd(route.when, at) !== undefined) &&
    names.some((symptom) => !mismatch({ ...route, severities: [] }, { service, labels, severity: 'info', symptom }));
  for (const [index, route] of routes.entries()) {
    const { successes } = route;
    if (!successes || !fits(route)) continue;
    const name = routeName(route, index);
    if (successes.tell === 'never') return { route: name, tell: 'never', told: [] };
    const channels = successes.channels ?? route.channels;
    // A day that begins at that time ends when it comes next.
    const due =
      successes.tell === 'digest'
        ? hoursEnd({ from: successes.at, until: successes.at, zone: successes.zone }, at)
        : undefined;
    return {
      route: name,
      tell: successes.tell,
      told: recipients
        .filter((recipient) => channels.includes(recipient.name) && !hearsOfAcknowledgement(recipient))
        .map((recipient) => ({ ...recipient, ...(due && { quietUntil: due }) })),
      ...(due && { at: due }),
    };
  }
  return undefined;
}

export type Successes = ReturnType<typeof createSuccesses>;

/** Tells of what went well, where a route says so; everything else is counted by the message of the morning. */
export function createSuccesses({
  outbox,
  recipients,
  inventory,
  node,
  baseUrl,
}: {
  readonly outbox: Outbox;
  readonly recipients: Pick<Recipients, 'all' | 'routing'>;
  readonly inventory: Pick<Inventory, 'get'>;
  readonly node: string;
  readonly baseUrl: () => string | undefined;
}) {
  async function decision(subject: SuccessSubject, at: Date): Promise<SuccessDecision | undefined> {
    const routing = await recipients.routing();
    if (routing.routes.every(({ successes }) => successes === undefined)) return undefined;
    return decideSuccess(routing, await recipients.all(), subject, at);
  }

  return {
    decision,

    /** Harmless twice: the event gives the alert its id. */
    async handle(event: StewardEvent): Promise<void> {
      const success = successOf(event);
      if (!success) return;
      const { title, names, service, resourceId } = success;
      const resource = resourceId === undefined ? undefined : await inventory.get(resourceId);
      const decided = await decision({ names, service, labels: resource?.labels ?? {} }, event.at);
      if (!decided || decided.told.length === 0) return;
      const base = baseUrl();
      const runId = text(event.data['runId']) || event.causation?.runId;
      const alert: Alert = {
        id: alertId('success', String(event.id), event.at.toISOString()),
        kind: 'success',
        severity: 'info',
        title: redactText(title).slice(0, TITLE_LENGTH),
        text: `${title}, ${event.at.toISOString().slice(0, 19).replace('T', ' ')} UTC.`,
        node: event.node ?? node,
        at: event.at,
        ...(service !== undefined && { service }),
        ...(base !== undefined && runId && { url: `${base.replace(/\/$/, '')}/runs/${encodeURIComponent(runId)}` }),
      };
      await outbox.db.transaction().execute((trx) => outbox.record(trx, alert, { to: decided.told }));
    },
  };
}

const TITLE_LENGTH = 200;

interface Success {
  readonly title: string;
  readonly names: readonly string[];
  readonly service?: string | undefined;
  readonly resourceId?: string | undefined;
}

/** What went well by this event; a dry run did nothing. */
function successOf({ type, data }: Pick<StewardEvent, 'type' | 'data'>): Success | undefined {
  if (type === 'run.finished') {
    if (data['status'] !== 'succeeded' || data['dryRun'] === true) return undefined;
    const { target } = data;
    const { name, id } = (target !== null && typeof target === 'object' ? target : {}) as JsonObject;
    const service = text(name);
    return {
      title: `Done: ${text(data['automation'])}${service === '' ? '' : ` on ${service}`}`,
      names: successNames('run.succeeded'),
      service: service || undefined,
      resourceId: text(id) || undefined,
    };
  }
  const [source, repository] = [text(data['source']), text(data['repository'])];
  if (type === 'backup.completed')
    return { title: `Copied: ${source} to ${repository}`, names: successNames(type), service: source };
  if (type === 'backup.proven')
    return { title: `Restored and proven: ${source} from ${repository}`, names: successNames(type), service: source };
  return undefined;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
