import { z } from 'zod';
import { Alert } from '../../core/alert.ts';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineQuery } from '../../core/operation.ts';
import { Attempt, attemptsOf } from './attempts.ts';
import type { Outbox } from './outbox.ts';
import { type DeliveryRow, toAlert } from './tables.ts';

export const DeliveryState = z
  .enum(['pending', 'delivered', 'failed', 'throttled', 'quiet', 'summarized'])
  .describe(
    'throttled: held back by the brake; quiet: until the quiet hours are over; summarized: told with others in one message.',
  );

/** How far an alert is on its way to one channel. */
export const DeliveryFacts = z.object({
  channel: z.string(),
  state: DeliveryState,
  attempts: z.number().int(),
  nextAttempt: z.coerce.date().optional(),
  finishedAt: z.coerce.date().optional(),
  receipt: z.string().optional().describe('What the receiver said when it took the alert.'),
  lastError: z.string().optional(),
  insteadOf: z.string().optional().describe('The channel that did not take it, whose place this one took.'),
});

export function deliveryFacts(
  row: Omit<DeliveryRow, 'alert_id' | 'claimed_by' | 'created_at'>,
): z.output<typeof DeliveryFacts> {
  return {
    channel: row.channel,
    state: row.state,
    attempts: row.attempts,
    ...(row.state === 'pending' || row.state === 'quiet' ? { nextAttempt: row.next_at } : {}),
    ...(row.finished_at === null ? {} : { finishedAt: row.finished_at }),
    ...(row.receipt === null ? {} : { receipt: row.receipt }),
    ...(row.last_error === null ? {} : { lastError: row.last_error }),
    ...(row.instead_of === null ? {} : { insteadOf: row.instead_of }),
  };
}

/** One alert with the receipt of each time that it was sent. */
export function alertOperation(outbox: Outbox): AnyOperation {
  return defineQuery({
    name: 'alert-get',
    title: 'One alert',
    summary:
      'Shows an alert with its deliveries, and of each attempt when it began, how long it took and what the receiver answered.',
    permission: 'read',
    input: z.object({ id: z.string().min(1).max(100).describe('Id of the alert.') }),
    output: z.object({
      alert: Alert,
      state: z
        .enum(['held', 'sent', 'dropped'])
        .describe('held: healing has its chance first; dropped: there was nothing left to say.'),
      deliveries: z.array(
        DeliveryFacts.extend({ receipts: z.array(Attempt).describe('Each attempt, the first one first.') }),
      ),
    }),
    paths: ['/api/v1/alerts/{id}'],
    cli: ['alert', 'show'],
    cliArguments: ['id'],
    examples: [{ title: 'Did anybody hear of it?', input: { id: 'alr_0123456789abcdef0123' } }],
    async handle({ id }) {
      const row = await outbox.db.selectFrom('alerts').selectAll().where('id', '=', id).executeTakeFirst();
      if (!row)
        throw new StewardError('NOT_FOUND', `There is no alert ${id}.`, {
          hint: 'steward alerts lists those there are.',
        });
      const deliveries = await outbox.db
        .selectFrom('alert_deliveries')
        .selectAll()
        .where('alert_id', '=', id)
        .orderBy('created_at')
        .orderBy('channel')
        .execute();
      const receipts = await attemptsOf(outbox.db, id);
      return {
        alert: toAlert(row),
        state: row.state,
        deliveries: deliveries.map((delivery) => ({
          ...deliveryFacts(delivery),
          receipts: receipts.get(delivery.channel) ?? [],
        })),
      };
    },
  });
}
