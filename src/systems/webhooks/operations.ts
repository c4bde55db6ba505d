import { z } from 'zod';
import { type AnyOperation, defineQuery, NoInput } from '../../core/operation.ts';
import type { Store } from '../../store/store.ts';
import { DELIVERY_STATES, type WebhookDb, type WebhookRow } from './tables.ts';
import { Pause, pauseOperations } from './operations-pause.ts';
import { replayOperations } from './operations-replay.ts';
import { shownData } from './told.ts';
import type { RefusedLately } from './messages.ts';
import { ABOUT, Attempt, attemptOf, existingIn, id, View, viewOf } from './views.ts';

export interface WebhookState {
  readonly address: string | undefined;
  readonly problem: string | undefined;
  readonly types: readonly string[];
  readonly unreadable: readonly string[];
  readonly waitingBytes: number;
  readonly behindMs: number;
  readonly accepted: number;
  readonly refused: Readonly<Record<string, number>>;
  readonly lately: readonly RefusedLately[];
}

const State = z.object({
  address: z.string().optional().describe('Where webhooks are received; nothing where no type is configured.'),
  problem: z.string().optional().describe('Why webhooks are not received as configured.'),
  types: z.array(z.string()),
  unreadable: z
    .array(z.string())
    .describe(
      'Types of which a secret or the schema cannot be read: judged as it was last read, or answered with 503.',
    ),
  waitingBytes: z.number().int().describe('Bytes on disk that may not be in the store yet.'),
  behindMs: z.number().int().describe('How long ago the oldest that is not in the store was taken, in milliseconds.'),
  accepted: z.number().int().describe('Since the receiver began.'),
  refused: z.record(z.string(), z.number().int()).describe('Since the receiver began, by reason.'),
  lately: z
    .array(
      z.object({
        at: z.coerce.date(),
        path: z.string(),
        address: z.string(),
        reason: z.string(),
        status: z.number().int(),
        message: z.string().describe('What the sender was told.'),
      }),
    )
    .describe('The last fifty that were refused since the receiver began, the latest first.'),
});

export function webhookOperations({
  store,
  db,
  node,
  state,
  onHeld,
  configured,
  now,
}: {
  readonly store: Pick<Store, 'events' | 'db'>;
  readonly db: WebhookDb;
  readonly node: string;
  readonly state: () => Promise<WebhookState>;
  readonly onHeld: () => void;
  readonly configured: () => readonly string[];
  readonly now: () => Date;
}): AnyOperation[] {
  const existing = (wanted: string): Promise<WebhookRow> => existingIn(db, wanted);

  return [
    defineQuery({
      name: 'webhooks',
      title: 'Webhooks',
      summary: 'Webhooks that were taken, the latest first.',
      permission: 'read',
      input: z.object({
        type: z.string().max(63).optional().describe('Only this type.'),
        state: z.enum(DELIVERY_STATES).optional().describe('Only those.'),
        limit: z.coerce.number().int().min(1).max(500).default(50).describe('At most so many.'),
      }),
      output: z.object({ items: z.array(View) }),
      cli: ['webhooks', 'list'],
      columns: ['receivedAt', 'type', 'id', 'state', 'bytes', 'source', 'problem'],
      async handle({ type, state: wanted, limit }) {
        let query = db
          .selectFrom('webhook_deliveries')
          .select(ABOUT)
          .select(({ fn }) => fn<number>('octet_length', ['body']).as('bytes'))
          .orderBy('place', 'desc')
          .limit(limit);
        if (type !== undefined) query = query.where('type', '=', type);
        if (wanted !== undefined) query = query.where('state', '=', wanted);
        return { items: (await query.execute()).map(viewOf) };
      },
    }),

    defineQuery({
      name: 'webhook-receiver',
      title: 'Receiver of webhooks',
      summary: 'How this node receives webhooks: where, what waits for the store, what was refused, what is paused.',
      permission: 'read',
      input: NoInput,
      output: State.extend({ pauses: z.array(Pause).describe('Types of which nothing is told for now.') }),
      cli: ['webhooks', 'status'],
      async handle() {
        const pauses = await db.selectFrom('webhook_pauses').selectAll().orderBy('type').execute();
        return { ...receiverOf(await state()), pauses };
      },
    }),

    defineQuery({
      name: 'webhook-get',
      title: 'One webhook',
      summary: 'Shows a webhook with what was sent, without secrets, and what it started.',
      permission: 'operate',
      input: z.object({ id }),
      output: View.extend({
        data: z.unknown().describe('What was sent; what looks like a secret is taken out.'),
        attempts: z.array(Attempt).describe('What it started, the first one first.'),
      }),
      cli: ['webhooks', 'show'],
      cliArguments: ['id'],
      async handle({ id: wanted }) {
        const row = await existing(wanted);
        const attempts = await db
          .selectFrom('webhook_executions')
          .selectAll()
          .where('delivery_id', '=', wanted)
          .orderBy('started_at')
          .orderBy('attempt')
          .execute();
        return {
          ...viewOf({ ...row, bytes: row.body.length }),
          data: shownOr(row),
          attempts: attempts.map(attemptOf),
        };
      },
    }),

    ...replayOperations({ store, db, node, onHeld }),
    ...pauseOperations({ db, configured, onHeld, now }),
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

function receiverOf({
  address,
  problem,
  types,
  unreadable,
  refused,
  lately,
  ...rest
}: WebhookState): z.input<typeof State> {
  return {
    ...rest,
    types: [...types],
    unreadable: [...unreadable],
    refused: { ...refused },
    lately: [...lately],
    ...(address !== undefined && { address }),
    ...(problem !== undefined && { problem }),
  };
}
