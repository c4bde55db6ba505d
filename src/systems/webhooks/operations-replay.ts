import { sql, type Transaction } from 'kysely';
import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { EventDraft } from '../../core/event.ts';
import { type AnyOperation, defineCommand } from '../../core/operation.ts';
import type { Store } from '../../store/store.ts';
import { DELIVERY_STATES, type WebhookDb, type WebhookRow, type WebhookTables } from './tables.ts';
import { eventOf } from './told.ts';
import { lockTurns, turnsOf } from './turns.ts';
import { ABOUT, existingIn, id, View, viewOf } from './views.ts';

const BATCH = 200;

/** Telling of webhooks again, by the same way as the first time: whose type is paused, or whose key is not free, waits. */
export function replayOperations({
  store,
  db,
  node,
  onHeld,
}: {
  readonly store: Pick<Store, 'events'>;
  readonly db: WebhookDb;
  readonly node: string;
  readonly onHeld: () => void;
}): AnyOperation[] {
  function draftOf(row: WebhookRow): EventDraft {
    try {
      return eventOf({ ...row, receivedAt: row.received_at }, node, true);
    } catch (thrown) {
      throw new StewardError('PRECONDITION_FAILED', `Nothing can be told of it: ${StewardError.from(thrown).message}`, {
        cause: thrown,
      });
    }
  }

  return [
    defineCommand({
      name: 'replay-webhook',
      title: 'Replay a webhook',
      summary: 'Tells of a webhook again: what waits for it starts once more.',
      permission: 'operate',
      noAgents: true,
      state: async ({ id: wanted }) => {
        const row = await db
          .selectFrom('webhook_deliveries')
          .select(['state', 'event_id', 'replays'])
          .where('id', '=', wanted)
          .executeTakeFirst();
        return row && { state: row.state, eventId: row.event_id, replays: row.replays };
      },
      input: z.object({ id }),
      output: View,
      cli: ['webhooks', 'replay'],
      cliArguments: ['id'],
      async handle({ id: wanted }, { actor }) {
        const row = await existingIn(db, wanted);
        const draft = { ...draftOf(row), actor };
        const { type, key } = row;
        const after = await db.transaction().execute(async (trx) => {
          if (key !== null) await lockTurns(trx);
          // Its own place in the order of its key is given up first.
          await trx.updateTable('webhook_deliveries').set({ state: 'told' }).where('id', '=', wanted).execute();
          await letBe(trx, [wanted]);
          const turns = await turnsOf(trx, key === null ? [] : [{ type, key }], () => false);
          const free = turns.take(row) && (key === null || !(await isUnderWay(trx, wanted)));
          const event = free ? await store.events.append(trx, draft) : undefined;
          return await trx
            .updateTable('webhook_deliveries')
            .set(({ eb }) => ({
              state: !free ? 'held' : key === null ? 'told' : 'open',
              event_id: event?.id ?? row.event_id,
              problem: null,
              replays: eb('replays', '+', 1),
            }))
            .where('id', '=', wanted)
            .returning(ABOUT)
            .executeTakeFirstOrThrow();
        });
        onHeld();
        return viewOf({ ...after, bytes: row.body.length });
      },
    }),

    defineCommand({
      name: 'replay-webhooks',
      title: 'Replay webhooks of a time',
      summary: 'Tells again of all webhooks of a time; without apply it only says how many they are.',
      permission: 'operate',
      noAgents: true,
      input: z.object({
        since: z.iso.datetime({ offset: true }).describe('Taken at that instant or later: 2030-01-31T18:00:00Z.'),
        until: z.iso.datetime({ offset: true }).optional().describe('Taken before that instant; by default until now.'),
        type: z.string().max(63).optional().describe('Only this type.'),
        state: z.enum(DELIVERY_STATES).optional().describe('Only those; without it all that are told or dead.'),
        apply: z.boolean().default(false).describe('Does it. Without it nothing is told.'),
      }),
      output: z.object({
        matching: z.number().int().describe('How many were meant when it began.'),
        replayed: z.number().int().describe('Of how many is told again, each when its turn comes.'),
      }),
      examples: [
        { title: 'What failed for good in an outage', input: { since: '2030-01-31T18:00:00Z', state: 'dead' } },
      ],
      cli: ['webhooks', 'replay-range'],
      async handle({ since, until, type, state, apply }, { now }) {
        const meant = (after: number) => {
          let query = db
            .selectFrom('webhook_deliveries')
            .where('place', '>', after)
            .where('received_at', '>=', new Date(since))
            .where('received_at', '<', until === undefined ? now : new Date(until))
            .where('state', 'in', state === undefined ? ['told', 'dead'] : [state]);
          if (type !== undefined) query = query.where('type', '=', type);
          return query;
        };
        const { matching } = await meant(0)
          .select(({ fn }) => fn.countAll<number>().as('matching'))
          .executeTakeFirstOrThrow();
        if (!apply) return { matching, replayed: 0 };
        let replayed = 0;
        for (let after = 0; ;) {
          const rows = await meant(after).select('place').orderBy('place').limit(BATCH).execute();
          const last = rows.at(-1);
          if (!last) break;
          const held = await db.transaction().execute(async (trx) => {
            const ids = await trx
              .updateTable('webhook_deliveries')
              .set(({ eb }) => ({ state: 'held', problem: null, replays: eb('replays', '+', 1) }))
              .where(
                'place',
                'in',
                rows.map(({ place }) => place),
              )
              // What is under way, or waits already, comes to its end by itself.
              .where('state', 'in', ['told', 'dead'])
              .returning('id')
              .execute();
            await letBe(
              trx,
              ids.map(({ id: held }) => held),
            );
            return ids;
          });
          replayed += held.length;
          after = last.place;
          onHeld();
        }
        return { matching, replayed };
      },
    }),
  ];
}

/** What earlier events of them started begins no more: it would do what is told again a second time. */
async function letBe(trx: Transaction<WebhookTables>, ids: readonly string[]): Promise<void> {
  await trx
    .updateTable('webhook_executions')
    .set({ retry_at: null })
    .where(sql<boolean>`delivery_id = any(${ids}::text[])`)
    .where('retry_at', 'is not', null)
    .execute();
}

async function isUnderWay(trx: Transaction<WebhookTables>, delivery: string): Promise<boolean> {
  const running = await trx
    .selectFrom('webhook_executions')
    .select('execution_id')
    .where('delivery_id', '=', delivery)
    .where('status', '=', 'running')
    .limit(1)
    .executeTakeFirst();
  return running !== undefined;
}
