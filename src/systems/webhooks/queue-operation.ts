import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import { keyAt, LONGEST_SOURCE } from '../../../edge/handlers/webhooks/receive.ts';
import type { HookType } from '../../../edge/handlers/webhooks/types.ts';
import { CursorInstant } from '../../core/cursor.ts';
import { type AnyOperation, defineCommand } from '../../core/operation.ts';
import { secretInput } from '../../core/secret-input.ts';
import { storableText } from '../../core/storable-text.ts';
import type { BringAll } from './bring.ts';

const LARGEST_BYTES = 1024 * 1024;

/** For who receives in our place, at the edge: what it took is in the store when this answers, and a repeat by its id changes nothing. */
export function queueOperation({
  bringAll,
  typeOf,
}: {
  readonly bringAll: BringAll;
  readonly typeOf: (name: string) => Pick<HookType, 'key'> | undefined;
}): AnyOperation {
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
    }),
    output: z.object({ status: z.literal('queued'), id: z.uuid() }),
    paths: ['/internal/queue/add'],
    cli: ['webhooks', 'queue'],
    cliArguments: ['type'],
    examples: [
      { title: 'A deposit', input: { type: 'bank', data: { kind: 'deposit', amount: 12 }, source: 'bank/1.0' } },
    ],
    async handle({ id = randomUUID(), type, data, timestamp, source, senderId, address }, { now }) {
      const body = Buffer.from(JSON.stringify(data));
      const place = typeOf(type)?.key;
      const key = place && keyAt(place, () => undefined, data);
      await bringAll([
        {
          id,
          type,
          content: 'json',
          senderId,
          source: source.slice(0, LONGEST_SOURCE),
          address: storableText(address),
          receivedAt: timestamp ?? now,
          body,
          ...(key !== undefined && { key }),
        },
      ]);
      return { status: 'queued' as const, id };
    },
  });
}
