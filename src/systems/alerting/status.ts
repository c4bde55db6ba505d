import { sql } from 'kysely';
import { z } from 'zod';
import type { Recipient } from '../../core/alert-routing.ts';
import { Severity } from '../../core/incident.ts';
import type { Outbox } from './outbox.ts';

export const ChannelStatus = z.object({
  name: z.string(),
  kind: z.string(),
  minSeverity: Severity,
  state: z.enum(['working', 'failing', 'unused']).describe('What the last delivery says.'),
  pending: z.number().int().describe('Alerts on their way.'),
  lastDelivery: z.coerce.date().optional().describe('When the receiver took something last: proof that it works.'),
  lastReceipt: z.string().optional().describe('What the receiver answered then.'),
  lastError: z.string().optional().describe('Why the last attempt failed; absent after one that worked.'),
});
export type ChannelStatus = z.output<typeof ChannelStatus>;

export const DeliveryStatus = z.object({
  configured: z.boolean().describe('Whether anyone is told at all.'),
  notice: z.string().optional().describe('What to do about it, where nobody is.'),
  channels: z.array(ChannelStatus),
});
export type DeliveryStatus = z.output<typeof DeliveryStatus>;

export const NO_CHANNEL =
  'No alert channel is configured: problems are seen on the dashboard only. Add one under alerts.channels in steward.yaml.';

export async function deliveryStatus(outbox: Outbox, recipients: readonly Recipient[]): Promise<DeliveryStatus> {
  const { rows } = await sql<{
    channel: string;
    pending: number;
    delivered: Date | null;
    receipt: string | null;
    error: string | null;
  }>`
    select d.channel,
      count(*) filter (where d.state = 'pending') as pending,
      max(d.finished_at) filter (where d.state = 'delivered') as delivered,
      (array_agg(d.receipt order by d.finished_at desc) filter (where d.state = 'delivered'))[1] as receipt,
      (select e.last_error from alert_deliveries e
        where e.channel = d.channel and e.last_error is not null and e.state in ('pending', 'failed')
          and coalesce(e.finished_at, e.next_at) > coalesce(max(d.finished_at) filter (where d.state = 'delivered'), '-infinity')
        order by coalesce(e.finished_at, e.next_at) desc limit 1) as error
    from alert_deliveries d where d.channel = any(${recipients.map(({ name }) => name)}::text[])
    group by d.channel`.execute(outbox.db);
  const known = new Map(rows.map((row) => [row.channel, row]));
  const channels = recipients.map(({ name, kind, minSeverity }): ChannelStatus => {
    const row = known.get(name);
    return {
      name,
      kind,
      minSeverity,
      state: row?.error ? 'failing' : row?.delivered ? 'working' : 'unused',
      pending: row?.pending ?? 0,
      ...(row?.delivered ? { lastDelivery: row.delivered } : {}),
      ...(row?.receipt ? { lastReceipt: row.receipt } : {}),
      ...(row?.error ? { lastError: row.error } : {}),
    };
  });
  return { configured: channels.length > 0, ...(channels.length > 0 ? {} : { notice: NO_CHANNEL }), channels };
}
