import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineCommand, defineQuery } from '../../core/operation.ts';
import type { Book } from './book.ts';
import { name } from './operations.ts';
import type { Queue } from './queue.ts';
import { AttemptView, deliveries, DeliveryView, deliveryView } from './views.ts';

const STATES = ['pending', 'delivered', 'failed', 'missed', 'dropped'] as const;
/** Of what was dropped nothing is left to send; what waits is sent anyway. */
const REPLAYABLE = ['delivered', 'failed', 'missed'] as const;

const id = z.string().min(1).max(100).describe('The webhook-id of the delivery.');

/** What was sent to endpoints, and sending it again. */
export function deliveryOperations({ book, queue }: { readonly book: Book; readonly queue: Queue }): AnyOperation[] {
  async function endpointId(wanted: string): Promise<string> {
    const row = await book.byName(wanted);
    if (row) return row.id;
    throw new StewardError('NOT_FOUND', `There is no endpoint '${wanted.slice(0, 100)}'.`, {
      hint: 'steward endpoints list shows those there are.',
    });
  }

  return [
    defineQuery({
      name: 'webhook-deliveries',
      title: 'What was sent to endpoints',
      summary: 'Deliveries to endpoints, the latest first, with what each was answered.',
      permission: 'read',
      input: z.object({
        endpoint: name.optional().describe('Only of this endpoint.'),
        state: z.enum(STATES).optional().describe('Only those.'),
        limit: z.coerce.number().int().min(1).max(500).default(50).describe('At most so many.'),
      }),
      output: z.object({ items: z.array(DeliveryView) }),
      cli: ['endpoints', 'deliveries'],
      columns: ['createdAt', 'endpoint', 'type', 'state', 'attempts', 'status', 'nextAt', 'id'],
      async handle({ endpoint, state, limit }) {
        let query = deliveries(queue.db).orderBy('d.place', 'desc').limit(limit);
        if (endpoint !== undefined) query = query.where('d.endpoint_id', '=', await endpointId(endpoint));
        if (state !== undefined) query = query.where('d.state', '=', state);
        return { items: (await query.execute()).map(deliveryView) };
      },
    }),

    defineQuery({
      name: 'webhook-delivery-get',
      title: 'One delivery',
      summary: 'Shows a delivery with its body and each attempt.',
      permission: 'operate',
      input: z.object({ id }),
      output: DeliveryView.extend({ body: z.string(), tries: z.array(AttemptView) }),
      cli: ['endpoints', 'delivery'],
      cliArguments: ['id'],
      async handle({ id: wanted }) {
        const row = await deliveries(queue.db).select('d.body').where('d.id', '=', wanted).executeTakeFirst();
        if (!row)
          throw new StewardError('NOT_FOUND', `There is no delivery '${wanted}'.`, {
            hint: 'steward endpoints deliveries shows those that are kept.',
          });
        const tries = await queue.db
          .selectFrom('endpoint_attempts')
          .selectAll()
          .where('delivery_id', '=', row.id)
          .orderBy('id')
          .execute();
        return {
          ...deliveryView(row),
          body: row.body,
          tries: tries.map(({ at, took_ms, status, said }) => ({
            at,
            tookMs: took_ms,
            said,
            ...(status !== null && { status }),
          })),
        };
      },
    }),

    defineCommand({
      name: 'replay-webhook-deliveries',
      title: 'Send deliveries again',
      summary:
        'Sends deliveries of an endpoint again, in their order and under their ids: one, or those of a time that failed or were missed.',
      permission: 'operate',
      noAgents: true,
      input: z.object({
        endpoint: name,
        id: id.optional().describe('Only this one, whatever became of it.'),
        from: z.coerce.date().optional().describe('Only what came from then on.'),
        until: z.coerce.date().optional().describe('Only what came before.'),
        states: z
          .array(z.enum(REPLAYABLE))
          .min(1)
          .default(['failed', 'missed'])
          .describe('What became of them: failed, missed, delivered.'),
      }),
      output: z.object({
        replayed: z.number().int().describe('How many are on their way again.'),
        left: z.number().int().describe('How many are left for another time, because as many wait as may: the latest.'),
      }),
      cli: ['endpoints', 'replay'],
      cliArguments: ['endpoint'],
      examples: [
        {
          title: 'What failed on the first of March',
          input: { endpoint: 'tickets', from: '2026-03-01', until: '2026-03-02' },
        },
      ],
      async handle({ endpoint, id: wanted, from, until, states }) {
        const row = await book.byName(endpoint);
        const of = row?.id ?? (await endpointId(endpoint));
        if (row?.state === 'disabled')
          throw new StewardError('PRECONDITION_FAILED', `The endpoint '${endpoint}' is disabled.`, {
            hint: `Enable it first, or together with this: steward endpoints enable ${endpoint} --replay`,
          });
        const which = { states: wanted === undefined ? states : REPLAYABLE, id: wanted, from, until };
        const done = await queue.db.transaction().execute((trx) => queue.again(trx, of, which));
        if (wanted !== undefined && done.left > 0)
          throw new StewardError('PRECONDITION_FAILED', `As many deliveries wait for '${endpoint}' as may.`, {
            hint: 'Try it again when some are made: steward endpoints list shows how many wait. endpoints.backlog is how many may.',
          });
        if (wanted !== undefined && done.replayed === 0)
          throw new StewardError('PRECONDITION_FAILED', `Nothing of '${wanted}' can be sent again.`, {
            hint: 'It waits, was dropped, or is of another endpoint: steward endpoints delivery shows it.',
          });
        queue.wake();
        return done;
      },
    }),
  ];
}
