import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Alert } from '../../core/alert.ts';
import { Alert as AlertSchema } from '../../core/alert.ts';
import { CursorInstant, CursorText } from '../../core/cursor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Inventory } from '../../core/inventory.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput, PageInput, pageOf } from '../../core/operation.ts';
import { alertOperation, DeliveryFacts, deliveryFacts, DeliveryState } from './alert-operation.ts';
import type { DeadMan } from './dead-man.ts';
import type { Outbox } from './outbox.ts';
import type { Recipients } from './recipients.ts';
import { routeOperation } from './route-operation.ts';
import type { Router } from './router.ts';
import type { Successes } from './successes.ts';
import type { Route } from './settings.ts';
import { ChannelStatus, deliveryStatus } from './status.ts';
import { deliverWithin } from './within-deadline.ts';

export interface AlertingOperationsDeps {
  readonly outbox: Outbox;
  readonly routes: () => readonly Route[];
  readonly recipients: Pick<Recipients, 'all'>;
  readonly router: Pick<Router, 'decide'>;
  readonly successes: Pick<Successes, 'decision'>;
  readonly inventory: Pick<Inventory, 'resolve'>;
  readonly deadMan: DeadMan | undefined;
  readonly deadlineMs: number;
  readonly node: string;
  readonly baseUrl: () => string | undefined;
}

const Delivery = DeliveryFacts.extend({
  alert: AlertSchema.pick({
    id: true,
    kind: true,
    severity: true,
    title: true,
    incidentId: true,
    service: true,
    node: true,
    at: true,
  }),
});

export function alertingOperations({
  outbox,
  routes,
  recipients,
  router,
  successes,
  inventory,
  deadMan,
  deadlineMs,
  node,
  baseUrl,
}: AlertingOperationsDeps): readonly AnyOperation[] {
  return [
    defineQuery({
      name: 'channels',
      title: 'Alert channels',
      summary: 'Lists the channels that alerts go to, and whether they work.',
      permission: 'read',
      columns: ['name', 'kind', 'state', 'minSeverity', 'pending', 'lastDelivery', 'lastError'],
      input: NoInput,
      output: z.object({
        items: z.array(ChannelStatus),
        notice: z.string().optional().describe('Set where nobody is told.'),
        deadMan: z
          .object({
            configured: z.boolean(),
            lastSuccess: z.coerce.date().optional(),
            lastError: z.string().optional(),
          })
          .describe('The sign of life that Steward gives to something outside.'),
      }),
      async handle() {
        const { channels, notice } = await deliveryStatus(outbox, await recipients.all());
        const { configured, lastSuccess, lastError } = deadMan?.status() ?? { configured: false };
        return {
          items: channels,
          ...(notice === undefined ? {} : { notice }),
          deadMan: {
            configured,
            ...(lastSuccess ? { lastSuccess } : {}),
            ...(lastError ? { lastError: lastError.message } : {}),
          },
        };
      },
    }),

    defineCommand({
      name: 'test-channel',
      title: 'Test an alert channel',
      summary: 'Sends one test alert through a channel and says what the receiver answered.',
      permission: 'operate',
      cliArguments: ['channel'],
      input: z.object({ channel: z.string().min(1).max(63).describe('Name of the channel.') }),
      output: z.object({
        alertId: z.string(),
        channel: z.string(),
        receipt: z.string().describe('What the receiver answered.'),
      }),
      examples: [{ title: 'Is the mail server right?', input: { channel: 'ops-mail' } }],
      async handle({ channel: name }, { now, actor }) {
        const names = routes().map(({ channel }) => channel.name);
        const route = routes().find(({ channel }) => channel.name === name);
        if (!route) {
          throw new StewardError('NOT_FOUND', `There is no alert channel ${name}.`, {
            hint: names.length > 0 ? `There is ${names.join(', ')}.` : 'Add one under alerts.channels in steward.yaml.',
          });
        }
        const base = baseUrl();
        const alert: Alert = {
          id: `alr_${randomUUID().replaceAll('-', '').slice(0, 20)}`,
          kind: 'test',
          severity: 'info',
          title: 'Test of an alert channel',
          text: `${actor.name} asked Steward to try channel ${name}. Nothing is wrong.`,
          node,
          at: now,
          ...(base === undefined ? {} : { url: base }),
        };
        const { receipt } = await deliverWithin(deadlineMs, route.channel, alert).catch((thrown: unknown) => {
          throw asOfATest(StewardError.from(thrown));
        });
        await outbox.recordTaken(alert, name, receipt);
        return { alertId: alert.id, channel: name, receipt };
      },
    }),

    defineQuery({
      name: 'alerts',
      title: 'Alerts',
      summary: 'Lists alerts with their deliveries, newest first.',
      permission: 'read',
      columns: ['alert.at', 'alert.kind', 'alert.severity', 'alert.title', 'channel', 'state', 'attempts', 'alert.id'],
      input: PageInput.extend({
        channel: z.string().max(63).optional().describe('Only deliveries to this channel.'),
        state: DeliveryState.optional().describe('Only deliveries in this state.'),
        incident: z.string().max(100).optional().describe('Only alerts about this incident.'),
      }),
      output: pageOf(Delivery),
      async handle({ limit, cursor, channel, state, incident }) {
        const after = cursor === undefined ? undefined : readCursor(cursor);
        const rows = await outbox.db
          .selectFrom('alert_deliveries as d')
          .innerJoin('alerts as a', 'a.id', 'd.alert_id')
          .select(['a.id', 'a.kind', 'a.severity', 'a.title', 'a.incident_id', 'a.service', 'a.node', 'a.at'])
          .select([
            'd.channel',
            'd.state',
            'd.attempts',
            'd.next_at',
            'd.finished_at',
            'd.receipt',
            'd.last_error',
            'd.instead_of',
            'd.created_at',
          ])
          .$if(channel !== undefined, (query) => query.where('d.channel', '=', channel ?? ''))
          .$if(state !== undefined, (query) => query.where('d.state', '=', state ?? 'pending'))
          .$if(incident !== undefined, (query) => query.where('a.incident_id', '=', incident ?? ''))
          .$if(after !== undefined, (query) =>
            query.where(({ eb, refTuple, tuple }) =>
              eb(
                refTuple('d.created_at', 'd.alert_id', 'd.channel'),
                '<',
                tuple(after?.at ?? new Date(0), after?.id ?? '', after?.channel ?? ''),
              ),
            ),
          )
          .orderBy('d.created_at', 'desc')
          .orderBy('d.alert_id', 'desc')
          .orderBy('d.channel', 'desc')
          .limit(limit + 1)
          .execute();
        const items = rows.slice(0, limit);
        const last = items.at(-1);
        return {
          items: items.map((row) => ({
            alert: {
              id: row.id,
              kind: row.kind,
              severity: row.severity,
              title: row.title,
              node: row.node,
              at: row.at,
              ...(row.incident_id === null ? {} : { incidentId: row.incident_id }),
              ...(row.service === null ? {} : { service: row.service }),
            },
            ...deliveryFacts(row),
          })),
          ...(rows.length > limit && last
            ? { next: writeCursor({ at: last.created_at, id: last.id, channel: last.channel }) }
            : {}),
        };
      },
    }),

    alertOperation(outbox),
    routeOperation({ router, successes, inventory }),
  ];
}

/** An alert would be tried again; a test is not. */
function asOfATest(error: StewardError): StewardError {
  if (!error.retryable) return error;
  return new StewardError(error.code, error.message, {
    hint: 'A test is sent once: ask again when the receiver is up.',
    retryAfterMs: error.retryAfterMs,
    cause: error,
  });
}

const Cursor = z.object({ at: CursorInstant, id: CursorText, channel: CursorText });

function writeCursor(cursor: z.output<typeof Cursor>): string {
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

function readCursor(text: string): z.output<typeof Cursor> {
  try {
    return Cursor.parse(JSON.parse(Buffer.from(text, 'base64url').toString()));
  } catch (cause) {
    throw new StewardError('INPUT_INVALID', 'The cursor is not one that this list gave.', {
      problems: [{ path: 'cursor', message: 'expected the `next` of the page before' }],
      hint: 'Leave the cursor out to begin with the first page.',
      cause,
    });
  }
}
