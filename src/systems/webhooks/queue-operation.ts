import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { type Admitted, keyAt, LONGEST_SOURCE, type Refused } from '../../../edge/handlers/webhooks/receive.ts';
import { CursorInstant } from '../../core/cursor.ts';
import { StewardError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type AnyOperation, defineCommand } from '../../core/operation.ts';
import { secretInput } from '../../core/secret-input.ts';
import { storableText } from '../../core/storable-text.ts';
import type { BringAll } from './bring.ts';
import type { Front } from './front.ts';
import type { WebhookDb } from './tables.ts';
import type { ConfiguredType } from './types.ts';

const LARGEST_BYTES = 1024 * 1024;

/** For who receives in our place, at the edge: what it took is in the store when this answers, and a repeat by its id changes nothing. */
export function queueOperation({
  db,
  bringAll,
  typeOf,
  front,
  log,
}: {
  readonly db: WebhookDb;
  readonly bringAll: BringAll;
  readonly typeOf: (name: string) => Pick<ConfiguredType, 'key' | 'limit' | 'schema'> | undefined;
  /** Who counts what comes, and has the schemas. */
  readonly front: () => Pick<Front, 'ask'> | undefined;
  readonly log: Log;
}): AnyOperation {
  /** Types whose keys did not come along, each said once. */
  const withoutKey = new Set<string>();

  async function admitted(type: string, id: string, data: unknown): Promise<Admitted> {
    const { limit, schema } = typeOf(type) ?? {};
    if (!limit && !schema) return { is: 'admitted' };
    const asked = front();
    if (!asked)
      throw new StewardError('UNAVAILABLE', 'The receiver of webhooks is not there.', { retryAfterMs: 5_000 });
    const verdict = await asked.ask('admit', { type, id, data, hasSchema: schema !== undefined });
    if (verdict.is === 'refused') throw refusal(verdict);
    return verdict;
  }

  async function isKnown(id: string): Promise<boolean> {
    const known = await db.selectFrom('webhook_deliveries').select('id').where('id', '=', id).executeTakeFirst();
    return known !== undefined;
  }

  /** A path is followed here; a header only who was sent it has seen. */
  function keyOf(type: string, data: unknown, given: string | null | undefined): string | undefined {
    const place = typeOf(type)?.key;
    if (place && 'path' in place) return keyAt(place, () => undefined, data);
    if (place && given === undefined && !withoutKey.has(type)) {
      withoutKey.add(type);
      log.warn('a webhook that was received elsewhere came without its key and has no order', {
        type,
        hint: `Give the worker the order of ${type} too: WEBHOOK_TYPES {"${type}": {"order": {"header": "${place.header}"}}}.`,
      });
    }
    return given ?? undefined;
  }

  return defineCommand({
    name: 'queue-webhook',
    title: 'Queue a webhook',
    summary: 'Takes a webhook whose sender was verified elsewhere, and starts what waits for it.',
    permission: 'operate',
    // It speaks in the name of others: whoever was verified says so, not an assistant.
    noAgents: true,
    input: z.object({
      id: z.uuid().optional().describe('The same for the same webhook: it is taken once.'),
      type: z
        .string()
        .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/, 'expected letters, digits, dots, - and _, at most 63')
        .describe('Its type, as in bank.'),
      // What others send belongs to the webhook, and not into the audit record for good.
      data: secretInput(
        z
          .json()
          .refine((data) => Buffer.byteLength(JSON.stringify(data)) <= LARGEST_BYTES, 'expected at most 1 MiB')
          .describe('What was sent.'),
      ),
      timestamp: CursorInstant.optional().describe('When it was received; now where it is left out.'),
      source: z
        .string()
        .default('')
        .describe('What the sender calls itself: its User-Agent, of which 1,000 characters are kept.'),
      senderId: z.string().max(255).optional().describe('What the sender calls this webhook.'),
      address: z.string().max(100).default('').describe('From where it was sent.'),
      key: z
        .string()
        .max(255)
        .nullable()
        .optional()
        .describe('What it is about, where the order of its type is by a header; null where it had none.'),
    }),
    output: z.object({ status: z.literal('queued'), id: z.uuid() }),
    paths: ['/internal/queue/add'],
    cli: ['webhooks', 'queue'],
    cliArguments: ['type'],
    examples: [
      { title: 'A deposit', input: { type: 'bank', data: { kind: 'deposit', amount: 12 }, source: 'bank/1.0' } },
    ],
    async handle({ id = randomUUID(), type, data, timestamp, source, senderId, address, key: given }, { now }) {
      if (await isKnown(id)) return { status: 'queued' as const, id };
      const { problem } = await admitted(type, id, data);
      const key = keyOf(type, data, given);
      await bringAll([
        {
          id,
          type,
          content: 'json',
          senderId,
          source: source.slice(0, LONGEST_SOURCE),
          address: storableText(address),
          receivedAt: timestamp ?? now,
          body: Buffer.from(JSON.stringify(data)),
          ...(key !== undefined && { key }),
          ...(problem !== undefined && { problem }),
        },
      ]);
      return { status: 'queued' as const, id };
    },
  });
}

/** Whoever asks tries again what may be taken another time, and nothing else. */
function refusal({ code, message, headers }: Refused): StewardError {
  const retryAfterMs = Number(headers['retry-after'] ?? 0) * 1_000 || undefined;
  const of = code === 'rate' ? 'RATE_LIMITED' : code === 'schema' ? 'INPUT_INVALID' : 'UNAVAILABLE';
  return new StewardError(of, message, { retryAfterMs });
}
