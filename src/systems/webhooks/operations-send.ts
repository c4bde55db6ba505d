import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { z } from 'zod';
import type { HookType } from '../../../edge/handlers/webhooks/types.ts';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineCommand } from '../../core/operation.ts';
import { signedHeaders } from './signed.ts';
import type { WebhookDb } from './tables.ts';
import { Attempt, attemptOf, View, viewOf } from './views.ts';

const WITHIN_MS = 5_000;
const LOOK_MS = 100;
/** Whose certificate that is needs no proof, and its names are those that others use. */
const ourselves = new Agent({ connect: { rejectUnauthorized: false } });

/** A test of the whole way: signed as its sender would, sent to the listener, followed to what it starts. */
export function sendOperation({
  db,
  types,
  url,
  now,
}: {
  readonly db: WebhookDb;
  readonly types: () => Promise<Readonly<Record<string, HookType>>>;
  readonly url: () => string | undefined;
  readonly now: () => Date;
}): AnyOperation {
  async function until<T>(look: () => Promise<T | undefined>): Promise<T | undefined> {
    const ends = performance.now() + WITHIN_MS;
    for (;;) {
      const found = await look();
      if (found !== undefined || performance.now() > ends) return found;
      await sleep(LOOK_MS);
    }
  }

  return defineCommand({
    name: 'send-webhook',
    title: 'Send a webhook to Steward',
    summary: 'Signs a webhook as its sender would, sends it to the receiver, and shows the answer and what came of it.',
    permission: 'operate',
    noAgents: true,
    input: z.object({
      type: z.string().min(1).max(63).describe('The type: bank.'),
      body: z
        .string()
        .max(65_536)
        .default('{"test":true}')
        .describe('What is sent, as it is: JSON. It is in the audit record, as all that commands are asked.'),
    }),
    output: z.object({
      status: z.number().int().describe('The HTTP status that was answered.'),
      answer: z.string(),
      delivery: View.optional().describe('As it is in the store.'),
      attempts: z.array(Attempt).describe('What it started within five seconds.'),
    }),
    examples: [{ title: 'A deposit', input: { type: 'bank', body: '{"kind":"deposit","amount":12}' } }],
    cli: ['webhooks', 'send'],
    cliArguments: ['type'],
    cliFile: 'body',
    async handle({ type, body }) {
      const known = await types();
      const { preset, secrets: [secret] = [] } = known[type] ?? {};
      if (preset === undefined)
        throw new StewardError('NOT_FOUND', `There is no type of webhooks '${type}'.`, {
          hint: `There are: ${Object.keys(known).join(', ')}.`,
        });
      const base = url();
      if (secret === undefined || base === undefined)
        throw new StewardError(
          'PRECONDITION_FAILED',
          secret === undefined ? `No secret of ${type} can be read.` : 'Webhooks are not received here now.',
          { hint: 'steward webhooks status says how they are received; the log says why not.' },
        );
      const response = await request(`${base}/${type}`, {
        method: 'POST',
        dispatcher: ourselves,
        body,
        headers: {
          'content-type': 'application/json',
          'user-agent': 'steward webhooks send',
          ...signedHeaders(preset, secret, { body, id: `test-${randomUUID()}`, at: now() }),
        },
        signal: AbortSignal.timeout(WITHIN_MS),
      });
      const answer = await response.body.text();
      const result = { status: response.statusCode, answer, attempts: [] };
      if (response.statusCode !== 202) return result;
      const { id } = JSON.parse(answer) as { id: string };
      const row = await until(() =>
        db.selectFrom('webhook_deliveries').selectAll().where('id', '=', id).executeTakeFirst(),
      );
      if (!row) return result;
      const begun = await until(async () => {
        const rows = await db.selectFrom('webhook_executions').selectAll().where('delivery_id', '=', id).execute();
        return rows.length > 0 ? rows : undefined;
      });
      return {
        ...result,
        delivery: viewOf({ ...row, bytes: row.body.length }),
        attempts: (begun ?? []).map(attemptOf),
      };
    },
  });
}
