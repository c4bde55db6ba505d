import { sql } from 'kysely';
import type { Alert } from '../../core/alert.ts';
import type { Incidents } from '../../core/incident.ts';
import type { SystemJob } from '../../core/schedule.ts';
import { alertId } from './compose-alert.ts';
import type { Outbox } from './outbox.ts';
import type { Recipients } from './recipients.ts';
import type { AlertingSettings } from './settings.ts';

export interface DeliveryTestsDeps {
  readonly outbox: Outbox;
  readonly recipients: Pick<Recipients, 'all'>;
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve' | 'unresolved'>;
  readonly settings: () => Pick<AlertingSettings, 'weeklyTest'>;
  readonly node: string;
}

const SYMPTOM = 'alert.undelivered';
const MINUTE_MS = 60_000;
/** After so long a test that nobody took is a failure, although it may still be tried. */
const TAKEN_WITHIN_MS = 15 * MINUTE_MS;

interface LastTest {
  readonly channel: string;
  readonly sentAt: Date;
  readonly failed: boolean;
  readonly error: string | null;
  /** The channel took this test, or something else since. */
  readonly taken: boolean;
}

/** Whether alerts would arrive is known because one does: each week by each channel, and the receipt is the proof. */
export function deliveryTests(deps: DeliveryTestsDeps): readonly SystemJob[] {
  const { outbox, recipients, settings, node } = deps;
  return [
    {
      name: 'alert-delivery-test',
      summary: 'Sends a test by each alert channel on Mondays at 09:00, so that one that does not deliver is noticed.',
      schedule: { cron: '0 9 * * 1', catchUp: 'latest' },
      async run({ now }) {
        if (settings().weeklyTest === false) return;
        for (const to of await recipients.all())
          // Quiet hours would keep it back, and nobody would know for a day.
          await outbox.db
            .transaction()
            .execute((trx) => outbox.record(trx, testOf(to.name, node, now), { to: [to], quietOver: true }));
      },
    },
    {
      name: 'alert-delivery-proof',
      summary: 'Looks whether each channel took its last test; one that did not becomes an incident.',
      schedule: { every: '5m', overlap: 'skip' },
      run: ({ now }) => lookAtTests(deps, now),
    },
  ];
}

/** Of one day: several nodes send it once. */
function testOf(channel: string, node: string, now: Date): Alert {
  return {
    id: alertId('weekly test', channel, now.toISOString().slice(0, 10)),
    kind: 'test',
    severity: 'info',
    title: 'Weekly test of an alert channel',
    text: `Steward tries channel ${channel} once a week, so that alerts arrive when there are some. Nothing is wrong.`,
    node,
    at: now,
  };
}

async function lookAtTests({ outbox, recipients, incidents }: DeliveryTestsDeps, now: Date): Promise<void> {
  const channels = (await recipients.all()).map(({ name }) => name);
  const { rows } = await sql<LastTest>`
    select distinct on (d.channel) d.channel, d.created_at as "sentAt", d.state = 'failed' as failed, d.last_error as error,
      exists (select from alert_deliveries e where e.channel = d.channel and e.state = 'delivered'
        and e.finished_at >= d.created_at) as taken
    from alert_deliveries d join alerts a on a.id = d.alert_id
    where a.kind = 'test' and d.instead_of is null and d.channel = any(${channels}::text[])
    order by d.channel, d.created_at desc`.execute(outbox.db);
  for (const { channel, sentAt, failed, error, taken } of rows) {
    if (taken) await resolve(incidents, channel, `Channel ${channel} took what it was sent.`);
    else if (failed || now.getTime() - sentAt.getTime() > TAKEN_WITHIN_MS)
      await incidents.open({
        fingerprint: fingerprintOf(channel),
        title: `Alert channel ${channel} did not take its test`,
        symptom: SYMPTOM,
        severity: 'warning',
        evidence: { channel, sentAt: sentAt.toISOString(), error: error ?? 'it has not been taken yet' },
      });
  }
  for (const { id, fingerprint, symptom } of await incidents.unresolved())
    if (symptom === SYMPTOM && !channels.some((channel) => fingerprint === fingerprintOf(channel)))
      await incidents.resolve(id, 'The channel is no longer configured.');
}

async function resolve(incidents: DeliveryTestsDeps['incidents'], channel: string, why: string): Promise<void> {
  const open = await incidents.byFingerprint(fingerprintOf(channel));
  if (open && open.status !== 'resolved') await incidents.resolve(open.id, why);
}

function fingerprintOf(channel: string): string {
  return `${SYMPTOM}:${channel}`;
}
