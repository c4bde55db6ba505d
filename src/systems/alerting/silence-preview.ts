import { sql } from 'kysely';
import { type AlertMatch, type AlertSubject, atLeast, mismatch } from '../../core/alert-routing.ts';
import type { Incident, Incidents, Severity } from '../../core/incident.ts';
import type { EventTables } from '../../store/event-tables.ts';
import type { About } from './about.ts';
import type { Outbox } from './outbox.ts';

export const PREVIEW_DAYS = 7;
const DAY_MS = 86_400_000;
/** So many of the newest incidents are looked at: more than a person was told of in a week. */
const MOST = 5_000;

export interface Quieted {
  readonly id: string;
  readonly title: string;
  readonly severity: Severity;
  readonly symptom: string;
  readonly service?: string | undefined;
  readonly openedAt: Date;
}

interface Preview {
  /** What is open and would be quiet at once, the worst first. */
  readonly now: readonly Quieted[];
  /** What began in the last days and would have been quiet, the worst first. */
  readonly past: readonly Quieted[];
  /** What was sent about these: messages that were written, and how often one arrived at a channel. */
  readonly alerts: number;
  readonly messages: number;
}

/** What a silence would keep quiet, and what it would have kept quiet lately. Nothing is kept quiet by looking. */
export function createSilencePreview({
  outbox,
  incidents,
  about,
  now,
}: {
  readonly outbox: Pick<Outbox, 'db'>;
  readonly incidents: Pick<Incidents, 'unresolved'>;
  readonly about: Pick<About, 'subject'>;
  readonly now: () => Date;
}) {
  const db = outbox.db.withTables<EventTables>();

  type Looked = Pick<Incident, 'id' | 'title' | 'severity' | 'symptom' | 'resourceId' | 'openedAt'>;

  async function matching(match: AlertMatch, all: readonly Looked[]): Promise<Quieted[]> {
    const found: Quieted[] = [];
    // What comes again and again is about the same few.
    const known = new Map<string | undefined, Pick<AlertSubject, 'service' | 'labels'>>();
    for (const { id, title, severity, symptom, resourceId, openedAt } of all) {
      const subject = known.get(resourceId) ?? (await about.subject({ resourceId, severity, symptom }));
      known.set(resourceId, subject);
      const { service, labels } = subject;
      if (mismatch(match, { service, labels, severity, symptom }) !== undefined) continue;
      found.push({ id, title, severity, symptom, service, openedAt });
    }
    return found.toSorted(worstFirst);
  }

  return async function preview(match: AlertMatch): Promise<Preview> {
    const since = new Date(now().getTime() - PREVIEW_DAYS * DAY_MS);
    // One that another speaks for is told by that one alone.
    const { rows } = await sql<Omit<Looked, 'resourceId'> & { readonly resourceId: string | null }>`
      select distinct on (1) causation->>'incidentId' as id, data->>'title' as title, data->>'severity' as severity,
        data->>'symptom' as symptom, data->>'resourceId' as "resourceId", at as "openedAt"
      from events
      where type = 'incident.opened' and at >= ${since} and coalesce(data->>'suppressed', 'false') <> 'true'
        and causation->>'incidentId' is not null
      order by 1 desc, at desc limit ${MOST}`.execute(db);
    const past = await matching(
      match,
      rows.map((row) => ({ ...row, resourceId: row.resourceId ?? undefined })),
    );
    const { rows: told } = await sql<{ alerts: number; messages: number }>`
      select count(distinct a.id)::int as alerts, (count(d.channel) filter (where d.state = 'delivered'))::int as messages
      from alerts a left join alert_deliveries d on d.alert_id = a.id
      where a.incident_id = any(${past.map(({ id }) => id)}::text[]) and a.at >= ${since} and a.state = 'sent'
        and a.kind in ('opened', 'escalated', 'reminder')`.execute(db);
    const open = (await incidents.unresolved()).filter(({ parentId }) => parentId === undefined);
    return { now: await matching(match, open), past, alerts: told[0]?.alerts ?? 0, messages: told[0]?.messages ?? 0 };
  };
}

function worstFirst(one: Quieted, other: Quieted): number {
  if (one.severity !== other.severity) return atLeast(one.severity, other.severity) ? -1 : 1;
  return other.openedAt.getTime() - one.openedAt.getTime();
}
