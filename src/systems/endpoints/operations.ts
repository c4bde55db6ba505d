import { randomBytes, randomUUID } from 'node:crypto';
import { z } from 'zod';
import { Duration, ms, parseDuration } from '../../core/duration.ts';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineCommand, defineQuery, NoInput } from '../../core/operation.ts';
import { secretInput } from '../../core/secret-input.ts';
import { Subscription, subscriptionMembers } from '../../core/subscription.ts';
import type { Vault } from '../../core/vault.ts';
import type { WebhookSender } from '../../core/webhook-sender.ts';
import { type createAccess, openAccess, type Sealed, sealAccess } from './access.ts';
import { type Book, newEndpointId } from './book.ts';
import { holdersOf, type KnownNode } from './configured.ts';
import { testMessage } from './message.ts';
import type { Queue } from './queue.ts';
import type { EndpointRow } from './tables.ts';
import { DISABLED, type Trouble } from './trouble.ts';
import { EndpointView, viewsOf } from './views.ts';

export interface OperationDeps {
  readonly book: Book;
  readonly queue: Queue;
  readonly access: ReturnType<typeof createAccess>;
  readonly sender: WebhookSender;
  readonly trouble: Trouble;
  readonly vault: Pick<Vault, 'seal' | 'open' | 'keyId'>;
  readonly nodes: () => Promise<readonly KnownNode[]>;
  /** There are others than before, or they want other things: in force at once. */
  readonly changed: () => Promise<void>;
}

/** Each may have one request on its way. */
const MOST = 100;

export const name = z
  .string()
  .regex(/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}$/, 'expected letters, digits, dots, - and _, at most 63')
  .describe('What the endpoint is called.');
const address = secretInput(
  z
    .url({ protocol: /^https?$/, error: 'expected an address such as https://example.org/path' })
    .max(2_000)
    .refine(
      (text) => !URL.canParse(text) || new URL(text).username + new URL(text).password === '',
      'expected no user and password in the address: give a token, or let the receiver verify the signature',
    )
    .describe('Where to POST.'),
);
const bearer = secretInput(
  z
    .string()
    .regex(/^[\x21-\x7e]{1,1000}$/, 'expected a token of visible ASCII characters')
    .describe('Sent as Authorization: Bearer, besides the signature.'),
);
const labels = z
  .array(z.string().regex(/^[^=\s]+=.*$/s, 'expected key=value'))
  .max(100)
  .describe('Only events about services with these labels, as key=value, the value with * too: all of them.');
const keepOld = Duration.refine((text) => (parseDuration(text) ?? 0) <= ms('30d'), 'expected at most 30d').describe(
  'How long the secret before still signs, too.',
);

const one = z.object({ name });
const WithSecret = EndpointView.extend({
  secret: z.string().describe('What the receiver verifies with. It is shown this once.'),
});

export function endpointOperations(deps: OperationDeps): AnyOperation[] {
  const { book, queue, vault, changed, trouble } = deps;

  async function existing(wanted: string): Promise<EndpointRow> {
    const row = await book.byName(wanted);
    if (row) return row;
    throw new StewardError('NOT_FOUND', `There is no endpoint '${wanted.slice(0, 100)}'.`, {
      hint: 'steward endpoints list shows those there are.',
    });
  }

  async function made(wanted: string): Promise<{ row: EndpointRow; open: Sealed }> {
    const row = await existing(wanted);
    if (row.origin === 'configured')
      throw new StewardError('PRECONDITION_FAILED', `'${wanted}' is written in steward.yaml.`, {
        hint: 'Change it in endpoints.list there; during a rotation, name the new and the old secret.',
      });
    const open = openAccess(vault, row);
    if (open) return { row, open };
    throw new StewardError('PRECONDITION_FAILED', `The address of endpoint ${wanted} was sealed with another key.`, {
      hint: 'Remove it and create it again, or bring back vault.key.',
    });
  }

  async function view(row: EndpointRow): Promise<EndpointView> {
    const [only] = await viewsOf(queue.db, [row]);
    if (only) return only;
    throw new StewardError('INTERNAL', 'An endpoint has no view.');
  }

  async function after(row: EndpointRow | undefined, wanted: string): Promise<EndpointView> {
    await changed();
    if (row) return await view(row);
    throw new StewardError('CONFLICT', `The endpoint '${wanted}' was changed or removed a moment ago.`, {
      hint: 'Look at it, and repeat this where it still holds: steward endpoints show.',
    });
  }

  /** For the record: neither the path of the address nor a secret. */
  const state = async ({ name: wanted }: { readonly name: string }) => {
    const row = await book.byName(wanted);
    return row && { state: row.state, host: row.host, subscription: row.subscription };
  };

  return [
    defineQuery({
      name: 'webhook-endpoints',
      title: 'Endpoints',
      summary: 'Endpoints of others to which events are sent: how each is, and what waits for it.',
      permission: 'read',
      input: NoInput,
      output: z.object({ items: z.array(EndpointView) }),
      cli: ['endpoints', 'list'],
      columns: ['name', 'state', 'host', 'events', 'waiting', 'missed', 'failed', 'dropped', 'lastError'],
      async handle() {
        return { items: await viewsOf(queue.db, await book.all()) };
      },
    }),

    defineQuery({
      name: 'webhook-endpoint-get',
      title: 'One endpoint',
      summary: 'Shows an endpoint with its whole address.',
      permission: 'operate',
      input: one,
      output: EndpointView.extend({
        address: z.string().optional().describe('Nothing where it cannot be read; steward.yaml says where it is kept.'),
        secrets: z.number().int().describe('How many sign: two while a rotation lasts.'),
      }),
      cli: ['endpoints', 'show'],
      cliArguments: ['name'],
      async handle({ name: wanted }) {
        const row = await existing(wanted);
        const found = await deps.access(row).catch(() => undefined);
        // What steward.yaml keeps as a secret is one.
        const shown = row.origin === 'made' ? found?.url : undefined;
        return {
          ...(await view(row)),
          secrets: found?.secrets.length ?? 0,
          ...(shown !== undefined && { address: shown }),
        };
      },
    }),

    defineCommand({
      name: 'create-webhook-endpoint',
      title: 'Create an endpoint',
      summary: 'Sends events to an endpoint from now on, signed after Standard Webhooks, and gives the secret.',
      permission: 'administer',
      noAgents: true,
      state,
      input: z.object({
        name,
        address,
        ...subscriptionMembers,
        labels: labels.default([]),
        bearer: bearer.optional(),
      }),
      output: WithSecret,
      examples: [
        {
          title: 'Incidents and failed runs, to a ticket system',
          input: {
            name: 'tickets',
            address: 'https://tickets.example.org/hooks/steward',
            events: ['incident.*', 'run.failed'],
          },
        },
      ],
      cli: ['endpoints', 'create'],
      cliArguments: ['name', 'address'],
      async handle({ name: wanted, address: to, bearer: token, labels: pairs, ...filter }, { actor }) {
        const rows = await book.all();
        if (rows.length >= MOST)
          throw new StewardError('PRECONDITION_FAILED', `There are ${MOST} endpoints already.`, {
            hint: 'Remove one first: steward endpoints remove.',
          });
        const [id, secret] = [newEndpointId(), newSecret()];
        const row = await book.add({
          id,
          name: wanted,
          origin: 'made',
          ...sealAccess(vault, id, { url: to, secrets: [{ secret }], ...(token !== undefined && { token }) }),
          host: new URL(to).host,
          subscription: Subscription.parse({ ...filter, labels: recordOf(pairs) }),
          body: 'standard',
          nodes: [],
          created_by: actor.name,
        });
        if (!row)
          throw new StewardError('CONFLICT', `There is an endpoint '${wanted}' already.`, {
            hint: `steward endpoints update ${wanted} changes it.`,
          });
        return { ...(await after(row, wanted)), secret };
      },
    }),

    defineCommand({
      name: 'update-webhook-endpoint',
      title: 'Change an endpoint',
      summary: 'Changes where an endpoint is, or which events it is sent. What is not named stays.',
      permission: 'administer',
      noAgents: true,
      state,
      input: z.object({
        name,
        address: address.optional(),
        events: subscriptionMembers.events.optional(),
        where: subscriptionMembers.where,
        services: subscriptionMembers.services.unwrap().optional(),
        severities: subscriptionMembers.severities.unwrap().optional(),
        labels: labels.optional(),
        bearer: bearer.optional(),
      }),
      output: EndpointView,
      cli: ['endpoints', 'update'],
      cliArguments: ['name', 'address'],
      async handle({ name: wanted, address: to, bearer: token, labels: pairs, ...filter }) {
        const { row, open } = await made(wanted);
        const next = { ...open, ...(to !== undefined && { url: to }), ...(token !== undefined && { token }) };
        const named = Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));
        const changedRow = await book.change(
          row.id,
          {
            ...sealAccess(vault, row.id, next),
            host: new URL(next.url).host,
            subscription: Subscription.parse({
              ...row.subscription,
              ...named,
              ...(pairs && { labels: recordOf(pairs) }),
            }),
          },
          row,
        );
        return await after(changedRow, wanted);
      },
    }),

    defineCommand({
      name: 'remove-webhook-endpoint',
      title: 'Remove an endpoint',
      summary: 'Sends nothing to an endpoint any more; what waits for it is not sent either.',
      permission: 'administer',
      noAgents: true,
      state,
      input: one,
      output: EndpointView,
      cli: ['endpoints', 'remove'],
      cliArguments: ['name'],
      async handle({ name: wanted }, { now }) {
        const row = await existing(wanted);
        const holders = row.origin === 'configured' ? holdersOf(row, await deps.nodes()) : [];
        if (holders.length > 0) {
          const where = holders.map((node) => node.name).join(', ');
          throw new StewardError('PRECONDITION_FAILED', `'${wanted}' is written in steward.yaml of ${where}.`, {
            hint: 'Take it out of endpoints.list there.',
          });
        }
        const last = await view(row);
        await book.change(row.id, { removed_at: now });
        await changed();
        return last;
      },
    }),

    defineCommand({
      name: 'disable-webhook-endpoint',
      title: 'Disable an endpoint',
      summary: 'Sends nothing to an endpoint until it is enabled; what comes in between is kept as missed.',
      permission: 'operate',
      noAgents: true,
      state,
      input: z.object({ name, reason: z.string().trim().min(1).max(500).describe('Why.') }),
      output: EndpointView,
      cli: ['endpoints', 'disable'],
      cliArguments: ['name', 'reason'],
      async handle({ name: wanted, reason }, { actor }) {
        const { id } = await existing(wanted);
        await queue.db
          .transaction()
          .execute((trx) => book.disable(trx, id, `${actor.name} disabled it: ${reason}`, actor));
        return await after(await book.byName(wanted), wanted);
      },
    }),

    defineCommand({
      name: 'enable-webhook-endpoint',
      title: 'Enable an endpoint',
      summary: 'Sends to an endpoint again; with replay, also what it missed, in its order.',
      permission: 'operate',
      noAgents: true,
      state,
      input: z.object({
        name,
        replay: z.stringbool().or(z.boolean()).default(false).describe('Send what it missed.'),
      }),
      output: EndpointView.extend({
        offered: z.string().optional().describe('What can be done about what it missed and was not sent.'),
      }),
      cli: ['endpoints', 'enable'],
      cliArguments: ['name'],
      async handle({ name: wanted, replay }, { actor }) {
        const { id } = await existing(wanted);
        const enabled = await book.enable(id, replay, actor);
        await trouble.over(DISABLED, id, `${actor.name} enabled it.`);
        const left = enabled && !replay && enabled.missed > 0 ? enabled.missed : 0;
        return {
          ...(await after(enabled?.row, wanted)),
          ...(left > 0 && { offered: `It missed ${left}: steward endpoints replay ${wanted} sends them.` }),
        };
      },
    }),

    defineCommand({
      name: 'test-webhook-endpoint',
      title: 'Test an endpoint',
      summary: 'Sends a signed test event to an endpoint at once, and shows the answer.',
      permission: 'operate',
      noAgents: true,
      input: one,
      output: z.object({
        ok: z.boolean().describe('It was taken: the answer was 2xx.'),
        id: z.string().describe('The webhook-id.'),
        status: z.number().int().optional(),
        said: z.string().describe('The beginning of the answer, or what was wrong.'),
        tookMs: z.number().int(),
      }),
      cli: ['endpoints', 'test'],
      cliArguments: ['name'],
      async handle({ name: wanted }, { now }) {
        const row = await existing(wanted);
        const id = `test_${randomUUID().replaceAll('-', '')}`;
        const began = performance.now();
        const took = (): number => Math.round(performance.now() - began);
        try {
          const { status, said } = await deps.sender.send({
            ...(await deps.access(row)),
            id,
            body: testMessage(row, now),
            signal: new AbortController().signal,
          });
          return { ok: status >= 200 && status < 300, id, status, said, tookMs: took() };
        } catch (thrown) {
          const { message, hint } = StewardError.from(thrown);
          return { ok: false, id, said: hint === undefined ? message : `${message} ${hint}`, tookMs: took() };
        }
      },
    }),

    defineCommand({
      name: 'rotate-webhook-endpoint-secret',
      title: 'New secret of an endpoint',
      summary:
        'Gives an endpoint a new signing secret; for a while the old one signs, too, so that the receiver has time to change.',
      permission: 'administer',
      noAgents: true,
      input: z.object({ name, keepOld: keepOld.default('24h') }),
      output: WithSecret,
      cli: ['endpoints', 'rotate'],
      cliArguments: ['name'],
      async handle({ name: wanted, keepOld: overlap }, { now }) {
        const { row, open } = await made(wanted);
        const secret = newSecret();
        const until = new Date(now.getTime() + ms(overlap));
        // Of several rotations in a row, each old one keeps the end that it has.
        const old = open.secrets
          .map((each) => ({ ...each, until: each.until ?? until }))
          .filter((each) => each.until > now);
        const next = { ...open, secrets: [{ secret }, ...old].slice(0, 5) };
        const rotated = await book.change(row.id, sealAccess(vault, row.id, next), row);
        return { ...(await after(rotated, wanted)), secret };
      },
    }),
  ];
}

const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

function recordOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(pairs.map((text) => [text.slice(0, text.indexOf('=')), text.slice(text.indexOf('=') + 1)]));
}
