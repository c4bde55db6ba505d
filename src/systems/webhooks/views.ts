import type { Selectable } from 'kysely';
import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { DELIVERY_STATES, type WebhookDb, type WebhookRow, type WebhookTables } from './tables.ts';

export const View = z.object({
  id: z.string(),
  type: z.string(),
  receivedAt: z.date(),
  state: z
    .enum(DELIVERY_STATES)
    .describe(
      'held: its turn has not come. open: told, and those with its key wait. retrying: what it started failed and begins again. told: its event was written. dead: nothing could be told, or what it started failed for good; `problem` says why.',
    ),
  source: z.string().describe('What the sender calls itself.'),
  address: z.string(),
  bytes: z.number().int(),
  senderId: z.string().optional().describe('What the sender calls it; a repeat carries the same.'),
  eventId: z.number().int().optional().describe('The event that tells of it, or of its last replay.'),
  problem: z.string().optional(),
  replays: z.number().int(),
  key: z.string().optional().describe('What it is about, where its type has an order.'),
});

export const Attempt = z.object({
  workflow: z.string(),
  executionId: z.string().describe('steward workflow execution shows it with its runs.'),
  attempt: z.number().int(),
  status: z.enum(['running', 'succeeded', 'failed', 'canceled']),
  problem: z.string().optional(),
  startedAt: z.date(),
  finishedAt: z.date().optional(),
  retryAt: z.date().optional().describe('When it begins again.'),
});

export const id = z.string().min(1).max(100).describe('The id that was answered with 202.');

export const ABOUT = [
  'place',
  'id',
  'type',
  'key',
  'received_at',
  'state',
  'source',
  'address',
  'sender_id',
  'event_id',
  'problem',
  'replays',
] as const;

export async function existingIn(db: WebhookDb, wanted: string): Promise<WebhookRow> {
  const row = await db.selectFrom('webhook_deliveries').selectAll().where('id', '=', wanted).executeTakeFirst();
  if (row) return row;
  throw new StewardError('NOT_FOUND', `There is no webhook '${wanted}'.`, {
    hint: 'steward webhooks list shows those that are kept.',
  });
}

export function viewOf(row: Omit<WebhookRow, 'body' | 'content'> & { readonly bytes: number }): z.input<typeof View> {
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
    ...(row.key !== null && { key: row.key }),
    ...(row.event_id !== null && { eventId: row.event_id }),
    ...(row.problem !== null && { problem: row.problem }),
  };
}

export function attemptOf(row: Selectable<WebhookTables['webhook_executions']>): z.input<typeof Attempt> {
  return {
    workflow: row.workflow,
    executionId: row.execution_id,
    attempt: row.attempt,
    status: row.status,
    startedAt: row.started_at,
    ...(row.problem !== null && { problem: row.problem }),
    ...(row.finished_at !== null && { finishedAt: row.finished_at }),
    ...(row.retry_at !== null && { retryAt: row.retry_at }),
  };
}
