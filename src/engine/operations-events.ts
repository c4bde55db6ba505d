import { z } from 'zod';
import type { EventType } from '../core/event.ts';
import type { JsonObject } from '../core/json.ts';
import { type AnyOperation, defineCommand } from '../core/operation.ts';
import { cleaner } from './clean.ts';
import type { OperationDeps } from './operation-deps.ts';

/** What only an application can know. Everything else happens where Steward sees it itself, and is not believed by report. */
const REPORTED = ['user.registered', 'content.published'] as const satisfies readonly EventType[];
const LARGEST_BYTES = 64 * 1024;

const Data = z
  .record(z.string().max(200), z.json())
  .default({})
  .refine((data) => Buffer.byteLength(JSON.stringify(data)) <= LARGEST_BYTES, 'expected at most 64 KiB')
  .describe('What the steps of the workflow are told. Secrets are taken out: send references.');

export function eventOperations({ report, catalog }: OperationDeps): AnyOperation[] {
  return [
    defineCommand({
      name: 'report-event',
      title: 'Report an event',
      summary: 'Tells Steward what happened in your application, and starts the workflows that wait for it.',
      permission: 'operate',
      input: z.object({ type: z.enum(REPORTED).describe('What happened.'), data: Data }),
      output: z.object({
        id: z.number().int().describe('The event.'),
        type: z.string(),
        at: z.coerce.date(),
        starts: z.array(z.string()).describe('The workflows that it starts.'),
      }),
      examples: [{ title: 'Somebody registered', input: { type: 'user.registered', data: { userId: '42' } } }],
      paths: ['/api/v1/events'],
      cli: ['event', 'report'],
      cliArguments: ['type'],
      async handle({ type, data }, { actor }) {
        const { id, at } = await report(type, cleaner().clean(data) as JsonObject, actor);
        const starts = [...catalog().workflows.values()]
          .filter(({ triggers }) => triggers.some((trigger) => trigger.kind === 'event' && trigger.event === type))
          .map(({ name }) => name);
        return { id, type, at, starts };
      },
    }),
  ];
}
