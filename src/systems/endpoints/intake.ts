import type { EventType, StewardEvent } from '../../core/event.ts';
import type { Inventory } from '../../core/inventory.ts';
import { asksOfResource, resourceIdOf, wants, wantsType } from '../../core/subscription.ts';
import type { Book } from './book.ts';
import { messageOf } from './message.ts';
import type { Queue } from './queue.ts';
import type { EndpointRow } from './tables.ts';
import type { Trouble } from './trouble.ts';

const TOLD_EVERY_MS = 3_600_000;

/** Puts events into the queues of those who want to hear of them. */
export function createIntake({
  book,
  queue,
  trouble,
  inventory,
  now,
}: {
  readonly book: Book;
  readonly queue: Queue;
  readonly trouble: Trouble;
  readonly inventory: Pick<Inventory, 'get'>;
  readonly now: () => Date;
}) {
  let known: readonly EndpointRow[] = [];

  async function refresh(): Promise<void> {
    known = await book.all();
  }

  async function resourceFor(row: EndpointRow, event: StewardEvent) {
    const id = asksOfResource(row.subscription) ? resourceIdOf(event) : undefined;
    return id === undefined ? undefined : await inventory.get(id);
  }

  /** Of one that could not keep up. */
  async function dropped(row: EndpointRow, count: number): Promise<void> {
    const told = await queue.db.transaction().execute(async (trx) => {
      const first = await trx
        .updateTable('webhook_endpoints')
        .set({ dropped_told_at: now() })
        .where('id', '=', row.id)
        .where((eb) =>
          eb.or([
            eb('dropped_told_at', 'is', null),
            eb('dropped_told_at', '<', new Date(now().getTime() - TOLD_EVERY_MS)),
          ]),
        )
        .returningAll()
        .executeTakeFirst();
      if (first) await book.tell(trx, 'endpoint.dropped', first, { dropped: first.dropped });
      return first;
    });
    if (told) await trouble.undelivered(row, `Too much waits for it: ${count} of the oldest were let go.`);
  }

  return {
    refresh,
    known: () => known,

    /** Which types somebody wants by now, on whichever node it was said. */
    async wanted(): Promise<(type: EventType) => boolean> {
      await refresh();
      return (type) => known.some(({ subscription }) => wantsType(subscription, type));
    },

    async handle(event: StewardEvent): Promise<void> {
      let added = false;
      for (const row of known) {
        if (event.at < row.created_at || !wants(row.subscription, event, await resourceFor(row, event))) continue;
        const lost = await queue.db
          .transaction()
          .execute((trx) => queue.add(trx, row.id, event, messageOf(row, event)));
        added = true;
        if (lost > 0) await dropped(row, lost);
      }
      if (added) queue.ring();
    },
  };
}
