import type { Kysely } from 'kysely';
import { z } from 'zod';
import type { AlertTables, DeliveryRow } from './tables.ts';

export const Attempt = z.object({
  at: z.coerce.date().describe('When it began.'),
  tookMs: z.number().int(),
  outcome: z
    .enum(['delivered', 'later', 'failed'])
    .describe('delivered: the receiver took it; later: it is tried again; failed: it is given up.'),
  said: z.string().describe('What the receiver answered, or what was wrong.'),
});
export type Attempt = z.output<typeof Attempt>;

/** Keeps what came of one attempt, with the time that it took. */
export async function recordAttempt(
  db: Kysely<AlertTables>,
  { delivery, since }: { readonly delivery: DeliveryRow; readonly since: Date },
  { outcome, said, at }: Pick<Attempt, 'outcome' | 'said'> & { readonly at: Date },
): Promise<void> {
  await db
    .insertInto('alert_attempts')
    .values({
      alert_id: delivery.alert_id,
      channel: delivery.channel,
      at: since,
      took_ms: Math.max(0, at.getTime() - since.getTime()),
      outcome,
      said,
    })
    .execute();
}

/** The attempts of an alert by channel, in their order. */
export async function attemptsOf(db: Kysely<AlertTables>, alertId: string): Promise<ReadonlyMap<string, Attempt[]>> {
  const rows = await db
    .selectFrom('alert_attempts')
    .select(['channel', 'at', 'took_ms as tookMs', 'outcome', 'said'])
    .where('alert_id', '=', alertId)
    .orderBy('id')
    .execute();
  return Map.groupBy(rows, ({ channel }) => channel);
}
