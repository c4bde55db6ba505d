import { type Kysely, sql } from 'kysely';
import type { Alert } from '../../core/alert.ts';
import { atLeast, quietEnd, type Recipient } from '../../core/alert-routing.ts';
import type { Incident, Incidents } from '../../core/incident.ts';
import type { About } from './about.ts';
import { alertId } from './compose-alert.ts';
import type { Outbox } from './outbox.ts';
import type { Recipients } from './recipients.ts';
import { type AlertRow, type AlertTables, toAlert } from './tables.ts';

export interface QuietDeps {
  readonly outbox: Outbox;
  readonly recipients: Pick<Recipients, 'all'>;
  readonly incidents: Pick<Incidents, 'get'>;
  readonly about: Pick<About, 'takers'>;
  readonly now: () => Date;
  readonly node: string;
}

const NAMED = 30;

/** What waited for the end of quiet hours is told then, each channel in one message. */
export function createQuiet({ outbox, recipients, incidents, about, now, node }: QuietDeps) {
  const { db } = outbox;

  async function releaseOne(channel: string, recipient: Recipient | undefined): Promise<void> {
    const at = now();
    const again = quietEnd(recipient?.quiet, 'info', at);
    // One window ended as the next one began.
    if (again) return await putOff(channel, again, at);
    const waited = await heldFor(db, channel, at);
    const states = new Map<string, Incident>();
    for (const id of new Set(waited.map(({ incident_id: id }) => id))) {
      const incident = id === null ? undefined : await incidents.get(id);
      if (incident) states.set(incident.id, incident);
    }
    const held: AlertRow[] = [];
    for (const alert of waited) {
      const later = await quietByRoute(alert, channel, states.get(alert.incident_id ?? ''));
      if (!later || later <= at) held.push(alert);
      else await putOff(channel, later, at, alert.id);
    }
    await db.transaction().execute(async (trx) => {
      // Of two nodes the second one finds nothing left.
      const { rows } = await sql<{ alert_id: string }>`
        update alert_deliveries set state = 'summarized', finished_at = ${at}
        where channel = ${channel} and state = 'quiet' and alert_id = any(${held.map(({ id }) => id)}::text[])
        returning alert_id`.execute(trx);
      const taken = new Set(rows.map(({ alert_id: id }) => id));
      const alerts = held.filter(({ id }) => taken.has(id)).map(toAlert);
      const successes = alerts.filter(({ kind }) => kind === 'success');
      const problems = alerts.filter(({ kind }) => kind !== 'success');
      const tell = async (digest: Alert): Promise<void> =>
        await outbox.record(trx, digest, {
          to: [recipient ?? { name: channel, kind: '', minSeverity: 'info' }],
          quietOver: true,
        });
      if (problems.length > 0) await tell(quietDigest(problems, states, { channel, node, at }));
      if (successes.length > 0) await tell(successDigest(successes, { channel, node, at }));
    });
  }

  /** Until when the routes, as they are now, keep this channel from hearing of it. */
  async function quietByRoute(
    { severity }: AlertRow,
    channel: string,
    incident: Incident | undefined,
  ): Promise<Date | undefined> {
    if (!incident) return undefined;
    return (await about.takers(incident, severity)).find(({ name }) => name === channel)?.quietUntil;
  }

  async function putOff(channel: string, until: Date, at: Date, alert?: string): Promise<void> {
    await db
      .updateTable('alert_deliveries')
      .set({ next_at: until })
      .where('channel', '=', channel)
      .where('state', '=', 'quiet')
      .where('next_at', '<=', at)
      .$if(alert !== undefined, (query) => query.where('alert_id', '=', alert ?? ''))
      .execute();
  }

  return {
    async release(): Promise<void> {
      const due = await db
        .selectFrom('alert_deliveries')
        .select('channel')
        .distinct()
        .where('state', '=', 'quiet')
        .where('next_at', '<=', now())
        .execute();
      if (due.length === 0) return;
      const all = await recipients.all();
      for (const { channel } of due)
        await releaseOne(
          channel,
          all.find(({ name }) => name === channel),
        );
    },
  };
}

async function heldFor(db: Kysely<AlertTables>, channel: string, at: Date): Promise<AlertRow[]> {
  return await db
    .selectFrom('alerts')
    .innerJoin('alert_deliveries', 'alert_deliveries.alert_id', 'alerts.id')
    .selectAll('alerts')
    .where('alert_deliveries.channel', '=', channel)
    .where('alert_deliveries.state', '=', 'quiet')
    .where('alert_deliveries.next_at', '<=', at)
    .orderBy('alerts.at')
    .execute();
}

/** One line for all that is called the same. */
function successDigest(
  alerts: readonly Alert[],
  { channel, node, at }: { readonly channel: string; readonly node: string; readonly at: Date },
): Alert {
  const lines = [...Map.groupBy(alerts, ({ title }) => title)].map(
    ([title, group]) =>
      `${title}${group.length > 1 ? `, ${group.length} times, last` : ','} ${clock(group.at(-1)?.at ?? at)}`,
  );
  return {
    id: alertId('successes', channel, ...alerts.map(({ id }) => id)),
    kind: 'digest',
    severity: 'info',
    title: `What went well: ${alerts.length} ${alerts.length === 1 ? 'thing' : 'things'}`,
    text: cutLines(lines),
    node,
    at,
  };
}

/** One line for each problem, however much was said of it. */
function quietDigest(
  alerts: readonly Alert[],
  states: ReadonlyMap<string, Incident>,
  { channel, node, at }: { readonly channel: string; readonly node: string; readonly at: Date },
): Alert {
  const problems = [...Map.groupBy(alerts, ({ id, incidentId }) => incidentId ?? id).values()];
  const lines = problems.map(([first, ...more]) => {
    const incident = states.get(first?.incidentId ?? '');
    const count = more.length > 0 ? ` (${more.length + 1} messages)` : '';
    return `${clock(first?.at ?? at)} ${first?.severity}: ${first?.title}${count}; ${stateOf(incident)}`;
  });
  const open = problems.filter(([first]) => isOpen(states.get(first?.incidentId ?? ''))).length;
  return {
    id: alertId('quiet', channel, ...alerts.map(({ id }) => id)),
    kind: 'digest',
    severity: alerts.reduce<Alert['severity']>(
      (worst, { severity }) => (atLeast(severity, worst) ? severity : worst),
      'info',
    ),
    title: `While it was quiet: ${problems.length} problem${problems.length === 1 ? '' : 's'}, ${open === 0 ? 'all over' : `${open} still open`}`,
    text: cutLines(lines),
    node,
    at,
  };
}

function cutLines(lines: readonly string[]): string {
  return [...lines.slice(0, NAMED), ...(lines.length > NAMED ? [`and ${lines.length - NAMED} more`] : [])].join('\n');
}

function isOpen(incident: Incident | undefined): boolean {
  return incident !== undefined && incident.status !== 'resolved';
}

function stateOf(incident: Incident | undefined): string {
  if (!incident) return 'nothing more is known of it';
  if (incident.status === 'resolved') return `over since ${clock(incident.resolvedAt ?? incident.updatedAt)}`;
  return incident.acknowledgedBy === undefined ? 'still open' : `${incident.acknowledgedBy} takes care of it`;
}

const clock = (at: Date): string => `${at.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
