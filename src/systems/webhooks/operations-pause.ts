import { z } from 'zod';
import { StewardError } from '../../core/errors.ts';
import { type AnyOperation, defineCommand } from '../../core/operation.ts';
import { storableText } from '../../core/storable-text.ts';
import type { WebhookDb } from './tables.ts';

export const Pause = z.object({ type: z.string(), by: z.string(), reason: z.string(), at: z.date() });

const type = z.string().min(1).max(63).describe('The type: bank.');

export function pauseOperations({
  db,
  configured,
  onHeld,
  now,
}: {
  readonly db: WebhookDb;
  readonly configured: () => readonly string[];
  readonly onHeld: () => void;
  readonly now: () => Date;
}): AnyOperation[] {
  const pauseOf = async (wanted: string) =>
    await db.selectFrom('webhook_pauses').selectAll().where('type', '=', wanted).executeTakeFirst();

  return [
    defineCommand({
      name: 'pause-webhooks',
      title: 'Pause a type of webhooks',
      summary: 'Nothing is told of webhooks of a type until it is resumed; they are taken all the same.',
      permission: 'operate',
      noAgents: true,
      state: async ({ type: wanted }) => ({ paused: (await pauseOf(wanted)) !== undefined }),
      input: z.object({
        type,
        reason: z.string().max(500).default('').describe('Why; the next one who looks will be glad.'),
      }),
      output: Pause,
      cli: ['webhooks', 'pause'],
      cliArguments: ['type'],
      async handle({ type: wanted, reason }, { actor }) {
        if (!configured().includes(wanted))
          throw new StewardError('NOT_FOUND', `There is no type of webhooks '${wanted}'.`, {
            hint: `There are: ${configured().join(', ')}.`,
          });
        const pause = { type: wanted, by: actor.name, reason: storableText(reason), at: now() };
        await db
          .insertInto('webhook_pauses')
          .values(pause)
          .onConflict((conflict) => conflict.column('type').doUpdateSet(pause))
          .execute();
        return pause;
      },
    }),

    defineCommand({
      name: 'resume-webhooks',
      title: 'Resume a type of webhooks',
      summary: 'Tells of what was taken while a type was paused, in its order, and of what comes.',
      permission: 'operate',
      noAgents: true,
      state: async ({ type: wanted }) => ({ paused: (await pauseOf(wanted)) !== undefined }),
      input: z.object({ type }),
      output: z.object({ type: z.string(), held: z.number().int().describe('How many are told of now.') }),
      cli: ['webhooks', 'resume'],
      cliArguments: ['type'],
      async handle({ type: wanted }) {
        await db.deleteFrom('webhook_pauses').where('type', '=', wanted).execute();
        const { held } = await db
          .selectFrom('webhook_deliveries')
          .select(({ fn }) => fn.countAll<number>().as('held'))
          .where('type', '=', wanted)
          .where('state', '=', 'held')
          .executeTakeFirstOrThrow();
        onHeld();
        return { type: wanted, held };
      },
    }),
  ];
}
