import type { WholeEvent } from '../../core/event.ts';
import type { WebhookDb } from './tables.ts';
import { shownData } from './told.ts';

/** With all of a long body, of which the event says only the length; as it is where the delivery is not kept any more. */
export function wholeFrom(db: WebhookDb): WholeEvent {
  return async (event) => {
    const { id, bytes } = event.data;
    if (event.type !== 'webhook.received' || bytes === undefined || typeof id !== 'string') return event;
    const sent = await db
      .selectFrom('webhook_deliveries')
      .select(['content', 'body'])
      .where('id', '=', id)
      .executeTakeFirst();
    return sent ? { ...event, data: { ...event.data, data: shownData(sent) } } : event;
  };
}
