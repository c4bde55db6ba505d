import { sql } from 'kysely';
import type { SystemJob } from '../../core/schedule.ts';
import type { Incidents } from '../../core/incident.ts';
import type { EventTables } from '../../store/event-tables.ts';
import type { Store } from '../../store/store.ts';
import { alertId } from './compose-alert.ts';
import { composeDigest, DIGEST_HOUR } from './digest.ts';
import type { Outbox } from './outbox.ts';
import type { Proposals } from './proposals.ts';
import { KNOWN_FOR_MS, type Recipients } from './recipients.ts';
import type { Router } from './router.ts';
import type { AlertingSettings, Route } from './settings.ts';
import type { AlertTables } from './tables.ts';

export interface UpkeepDeps {
  readonly store: Store;
  readonly incidents: Pick<Incidents, 'unresolved'>;
  readonly outbox: Outbox;
  readonly routes: () => readonly Route[];
  readonly recipients: Pick<Recipients, 'all'>;
  readonly router: Pick<Router, 'takers'>;
  readonly settings: () => AlertingSettings;
  readonly node: string;
  /** Tells again of what is still open. */
  readonly remind: () => Promise<void>;
  /** Tells the next ones of what nobody takes. */
  readonly escalate: () => Promise<void>;
  readonly proposals: Pick<Proposals, 'refresh' | 'forget'>;
  readonly forgetSilences: (before: Date) => Promise<void>;
}

const HOUR_MS = 3_600_000;
const TITLES_TOLD = 20;

export function alertingJobs(deps: UpkeepDeps): readonly SystemJob[] {
  const { outbox, settings } = deps;
  return [
    {
      name: 'alert-reminders',
      summary: 'Tells again of what is still open and nobody takes care of, where alerts.repeat says after how long.',
      schedule: { every: '1m' },
      run: () => deps.remind(),
    },
    {
      name: 'alert-escalations',
      summary: 'Tells the next ones of what nobody takes care of, where alerts.escalate or a route says whom and when.',
      schedule: { every: '1m' },
      run: () => deps.escalate(),
    },
    {
      name: 'alert-proposals',
      summary: 'Looks which rules people hardly ever act on, and proposes those for the digest.',
      schedule: { every: '6h' },
      run: () => deps.proposals.refresh(),
    },
    {
      name: 'alert-summaries',
      summary: 'Tells in one message what the brake against floods of alerts held back.',
      schedule: { every: '15m' },
      async run({ now }) {
        await summarize(deps, now);
      },
    },
    {
      name: 'alert-digest',
      summary: 'Tells each morning, in one message, what the last day brought: copies, proofs, heals, problems, runs.',
      schedule: { cron: `0 ${DIGEST_HOUR} * * *`, catchUp: 'latest' },
      async run({ now }) {
        if (settings().digest) await digest(deps, now);
      },
    },
    {
      name: 'alert-cleanup',
      summary:
        'Ends deliveries to channels that are no longer configured, and deletes old alerts and what nodes that are gone said of theirs.',
      schedule: { every: '1h' },
      async run({ now }) {
        await endOrphans(deps, now);
        await deps.proposals.forget();
        await deps.forgetSilences(new Date(now.getTime() - settings().retentionMs));
        await outbox.db
          .deleteFrom('alert_routes')
          .where('seen_at', '<', new Date(now.getTime() - KNOWN_FOR_MS))
          .execute();
        await outbox.db
          .deleteFrom('alert_escalations')
          .where(
            sql<boolean>`not (incident_id = any(${(await deps.incidents.unresolved()).map(({ id }) => id)}::text[]))`,
          )
          .execute();
        await outbox.db
          .deleteFrom('alert_routings')
          .where('seen_at', '<', new Date(now.getTime() - KNOWN_FOR_MS))
          .execute();
        await outbox.db
          .deleteFrom('alerts')
          .where('at', '<', new Date(now.getTime() - settings().retentionMs))
          .where('state', '<>', 'held')
          .where(({ not, exists, selectFrom }) =>
            not(
              exists(
                selectFrom('alert_deliveries')
                  .select('channel')
                  .whereRef('alert_id', '=', 'alerts.id')
                  .where('alert_deliveries.state', 'in', ['pending', 'quiet']),
              ),
            ),
          )
          .execute();
      },
    },
  ];
}

async function digest({ outbox, router, store, incidents, node }: UpkeepDeps, now: Date): Promise<void> {
  const alert = await composeDigest(store.db.withTables<EventTables & AlertTables>(), {
    until: lastMorning(now),
    open: await incidents.unresolved(),
    node,
  });
  const to = await router.takers({ labels: {}, severity: alert.severity, symptom: alert.kind });
  await outbox.db.transaction().execute((trx) => outbox.record(trx, alert, { to }));
}

/** One that comes late tells of the same day: no hour twice, and none left out. */
function lastMorning(now: Date): Date {
  const today = Date.UTC(now.getUTCFullYear(), now.getUTCMonth(), now.getUTCDate(), DIGEST_HOUR);
  return new Date(today <= now.getTime() ? today : today - 24 * HOUR_MS);
}

async function summarize({ outbox, routes, node }: UpkeepDeps, now: Date): Promise<void> {
  for (const route of routes()) {
    const channel = route.channel.name;
    await outbox.db.transaction().execute(async (trx) => {
      const { rows } = await sql<{ id: string; title: string }>`
        update alert_deliveries d set state = 'summarized', finished_at = ${now}
        from alerts a where a.id = d.alert_id and d.channel = ${channel} and d.state = 'throttled'
        returning a.id, a.title`.execute(trx);
      const [first] = rows;
      if (!first) return;
      const more = rows.length > TITLES_TOLD ? [`and ${rows.length - TITLES_TOLD} more`] : [];
      await outbox.record(
        trx,
        {
          id: alertId('summary', channel, first.id),
          kind: 'notice',
          severity: 'warning',
          title: `${rows.length} more alerts were held back`,
          text: [...rows.slice(0, TITLES_TOLD).map(({ title }) => title), ...more].join('\n'),
          node,
          at: now,
        },
        { to: [{ name: channel, kind: route.channel.kind, minSeverity: route.minSeverity }] },
      );
    });
  }
}

async function endOrphans({ outbox, recipients }: UpkeepDeps, now: Date): Promise<void> {
  const known = (await recipients.all()).map(({ name }) => name);
  await outbox.db
    .updateTable('alert_deliveries')
    .set({ state: 'failed', finished_at: now, last_error: 'NOT_FOUND: The channel is no longer configured.' })
    .where('state', '=', 'pending')
    // Another node may know the channel already, or still.
    .where('created_at', '<', new Date(now.getTime() - HOUR_MS))
    .where('next_at', '<', new Date(now.getTime() - HOUR_MS))
    .$if(known.length > 0, (query) => query.where('channel', 'not in', known))
    .execute();
}
