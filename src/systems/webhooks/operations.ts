import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import type { EventDraft } from '../../core/event.ts';
import { type AnyOperation, defineCommand, defineQuery } from '../../core/operation.ts';
import type { Store } from '../../store/store.ts';
import type { WebhookDb, WebhookRow } from './tables.ts';
import { eventOf, shownData } from './told.ts';

export interface WebhookState {
  readonly address: string | undefined;
  readonly types: readonly string[];
  readonly unreadable: readonly string[];
  readonly waitingBytes: number;
  readonly behindMs: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<string, number>>;
}

const View = z.object({
  id: z.string(),
  type: z.string(),
  receivedAt: z.date(),
  state: z.enum(['told', 'dead']).describe('told: its event was written. dead: it could not be; `problem` says why.'),
  source: z.string().describe('What the sender calls itself.'),
  address: z.string(),
  bytes: z.number().int(),
  senderId: z.string().optional().describe('What the sender calls it; a repeat carries the same.'),
  eventId: z.number().int().optional().describe('The event that tells of it, or of its last replay.'),
  problem: z.string().optional(),
  replays: z.number().int(),
});

const State = z.object({
  address: z.string().optional().describe('Where webhooks are received; nothing where no type is configured.'),
  types: z.array(z.string()),
  unreadable: z.array(z.string()).describe('Types of which no secret can be read: everything sent there is refused.'),
  waitingBytes: z.number().int().describe('Bytes on disk that may not be in the store yet.'),
  behindMs: z.number().int().describe('How long ago the oldest that is not in the store was taken, in milliseconds.'),
  accepted: z.number().int().describe('Since the receiver began.'),
  refused: z.record(z.string(), z.number().int()).describe('Since the receiver began, by reason.'),
});

const id = z.string().min(1).max(100).describe('The id that was answered with 202.');

export function webhookOperations({
  store,
  db,
  node,
  state,
}: {
  readonly store: Pick<Store, 'events' | 'db'>;
  readonly db: WebhookDb;
  readonly node: string;
  readonly state: () => Promise<WebhookState>;
}): AnyOperation[] {
  const about = [
    'place',
    'id',
    'type',
    'received_at',
    'state',
    'source',
    'address',
    'sender_id',
    'event_id',
    'problem',
    'replays',
  ] as const;

  async function existing(wanted: string): Promise<WebhookRow> {
    const row = await db.selectFrom('webhook_deliveries').selectAll().where('id', '=', wanted).executeTakeFirst();
    if (row) return row;
    throw new StewardError('NOT_FOUND', `There is no webhook '${wanted}'.`, {
      hint: 'steward webhooks list shows those that are kept.',
    });
  }

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
    defineQuery({
      name: 'webhooks',
      title: 'Webhooks',
      summary: 'Webhooks that were taken, the latest first.',
      permission: 'read',
      input: z.object({
        type: z.string().max(63).optional().describe('Only this type.'),
        state: z.enum(['told', 'dead']).optional().describe('Only those.'),
        limit: z.coerce.number().int().min(1).max(500).default(50).describe('At most so many.'),
      }),
      output: z.object({ items: z.array(View), receiver: State }),
      cli: ['webhooks', 'list'],
      columns: ['receivedAt', 'type', 'id', 'state', 'bytes', 'source', 'problem'],
      async handle({ type, state: wanted, limit }) {
        let query = db
          .selectFrom('webhook_deliveries')
          .select(about)
          .select(({ fn }) => fn<number>('octet_length', ['body']).as('bytes'))
          .orderBy('place', 'desc')
          .limit(limit);
        if (type !== undefined) query = query.where('type', '=', type);
        if (wanted !== undefined) query = query.where('state', '=', wanted);
        return { items: (await query.execute()).map(viewOf), receiver: receiverOf(await state()) };
      },
    }),

    defineQuery({
      name: 'webhook-get',
      title: 'One webhook',
      summary: 'Shows a webhook with what was sent, without secrets.',
      permission: 'operate',
      input: z.object({ id }),
      output: View.extend({ data: z.unknown().describe('What was sent; what looks like a secret is taken out.') }),
      cli: ['webhooks', 'show'],
      cliArguments: ['id'],
      async handle({ id: wanted }) {
        const row = await existing(wanted);
        return { ...viewOf({ ...row, bytes: row.body.length }), data: shownOr(row) };
      },
    }),

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
        const row = await existing(wanted);
        const draft = { ...draftOf(row), actor };
        const after = await db.transaction().execute(async (trx) => {
          const event = await store.events.append(trx, draft);
          return await trx
            .updateTable('webhook_deliveries')
            .set(({ eb }) => ({ event_id: event.id, state: 'told', problem: null, replays: eb('replays', '+', 1) }))
            .where('id', '=', wanted)
            .returning(about)
            .executeTakeFirstOrThrow();
        });
        return viewOf({ ...after, bytes: row.body.length });
      },
    }),
  ];
}

/** What cannot be told of cannot be shown either; that it is there is shown all the same. */
function shownOr(row: WebhookRow): unknown {
  try {
    return shownData(row);
  } catch {
    return null;
  }
}

function viewOf(row: Omit<WebhookRow, 'body' | 'content'> & { readonly bytes: number }): z.input<typeof View> {
  return {
    id: row.id,
    type: row.type,
    receivedAt: row.received_at,
    state: row.state,
    source: row.source,
    address: row.address,
    bytes: row.bytes,
    replays: row.replays,
    ...(row.sender_id !== null && { senderId: row.sender_id }),
    ...(row.event_id !== null && { eventId: row.event_id }),
    ...(row.problem !== null && { problem: row.problem }),
  };
}

function receiverOf({ address, types, unreadable, refused, ...rest }: WebhookState): z.input<typeof State> {
  return {
    ...rest,
    types: [...types],
    unreadable: [...unreadable],
    refused: { ...refused },
    ...(address !== undefined && { address }),
  };
}
