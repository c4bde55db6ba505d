import { sql } from 'kysely';
import { z } from 'zod';
import { Subscription } from '../../core/subscription.ts';
import type { DeliveryRow, EndpointDb, EndpointRow } from './tables.ts';

export const EndpointView = z.object({
  name: z.string(),
  state: z.enum(['enabled', 'disabled']),
  host: z.string().describe('Where it is; the whole address is shown to those who may operate.'),
  events: z.array(z.string()),
  waiting: z.number().int().describe('Deliveries that are still to be made.'),
  missed: z.number().int().describe('Came while it was disabled; enabling with replay sends them.'),
  failed: z.number().int().describe('Given up after all attempts; replay sends them.'),
  dropped: z.number().int().describe('Let go because too many waited.'),
  failures: z.number().int().describe('Attempts in a row that failed.'),
  failingSince: z.date().optional(),
  notBefore: z.date().optional().describe('Nothing is sent before.'),
  lastSuccessAt: z.date().optional(),
  lastError: z.string().optional(),
  why: z.string().optional().describe('Why it is disabled.'),
  disabledAt: z.date().optional(),
  origin: z.enum(['made', 'configured']),
  createdBy: z.string(),
  createdAt: z.date(),
  body: z.enum(['standard', 'health-check']),
  subscription: Subscription,
});
export type EndpointView = z.output<typeof EndpointView>;

export const DeliveryView = z.object({
  id: z.string().describe('The webhook-id: a repeat carries the same.'),
  endpoint: z.string(),
  type: z.string(),
  eventId: z.number().int(),
  state: z.enum(['pending', 'delivered', 'failed', 'missed', 'dropped']),
  attempts: z.number().int(),
  createdAt: z.date(),
  nextAt: z.date().optional(),
  finishedAt: z.date().optional(),
  status: z.number().int().optional().describe('What the last attempt was answered.'),
  said: z.string().optional(),
});

export const AttemptView = z.object({
  at: z.date(),
  tookMs: z.number().int(),
  status: z.number().int().optional().describe('Nothing where nobody answered.'),
  said: z.string().describe('The beginning of the answer, or what was wrong.'),
});

interface Counts {
  readonly id: string;
  readonly waiting: number;
  readonly missed: number;
  readonly failed: number;
}

export async function viewsOf(db: EndpointDb, rows: readonly EndpointRow[]): Promise<EndpointView[]> {
  const { rows: counts } = await sql<Counts>`
    select endpoint_id as id, count(*) filter (where state = 'pending')::int as waiting,
      count(*) filter (where state = 'missed')::int as missed, count(*) filter (where state = 'failed')::int as failed
    from endpoint_deliveries where endpoint_id = any(${rows.map(({ id }) => id)}::text[]) and state <> 'delivered'
    group by endpoint_id`.execute(db);
  return rows.map((row) =>
    viewOf(
      row,
      counts.find(({ id }) => id === row.id),
    ),
  );
}

function viewOf(row: EndpointRow, counts: Counts | undefined): EndpointView {
  const { name, state, host, origin, body, subscription, failures, dropped } = row;
  return {
    name,
    state,
    host,
    events: subscription.events,
    waiting: counts?.waiting ?? 0,
    missed: counts?.missed ?? 0,
    failed: counts?.failed ?? 0,
    dropped,
    failures,
    ...(row.failing_since && { failingSince: row.failing_since }),
    ...(row.not_before && { notBefore: row.not_before }),
    ...(row.last_success_at && { lastSuccessAt: row.last_success_at }),
    ...(row.last_error !== null && { lastError: row.last_error }),
    ...(row.why !== null && { why: row.why }),
    ...(row.disabled_at && { disabledAt: row.disabled_at }),
    origin,
    createdBy: row.created_by,
    createdAt: row.created_at,
    body,
    subscription,
  };
}

type ShownDelivery = Omit<DeliveryRow, 'place' | 'body' | 'claim' | 'claimed_by' | 'endpoint_id'> & {
  readonly endpoint: string;
  readonly status: number | null;
  readonly said: string | null;
};

export function deliveries(db: EndpointDb) {
  return db
    .selectFrom('endpoint_deliveries as d')
    .innerJoin('webhook_endpoints as e', 'e.id', 'd.endpoint_id')
    .leftJoinLateral(
      (eb) =>
        eb
          .selectFrom('endpoint_attempts')
          .select(['status', 'said'])
          .whereRef('delivery_id', '=', 'd.id')
          .orderBy('id', 'desc')
          .limit(1)
          .as('a'),
      (join) => join.onTrue(),
    )
    .select([
      'd.id',
      'd.event_id',
      'd.type',
      'd.state',
      'd.attempts',
      'd.next_at',
      'd.created_at',
      'd.finished_at',
      'e.name as endpoint',
      'a.status',
      'a.said',
    ]);
}

const WAITING: ReadonlySet<DeliveryRow['state']> = new Set(['pending', 'missed']);

export function deliveryView(row: ShownDelivery): z.output<typeof DeliveryView> {
  return {
    id: row.id,
    endpoint: row.endpoint,
    type: row.type,
    eventId: row.event_id,
    state: row.state,
    attempts: row.attempts,
    createdAt: row.created_at,
    ...(row.state === 'pending' && { nextAt: row.next_at }),
    ...(row.finished_at && !WAITING.has(row.state) && { finishedAt: row.finished_at }),
    ...(row.status !== null && { status: row.status }),
    ...(row.said !== null && { said: row.said }),
  };
}
