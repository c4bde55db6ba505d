import { z } from 'zod';
import { CustomWorkflow } from '../core/workflow-schema.ts';
import { address, duration, secret, uniqueBy } from './schema-parts.ts';

const Call = z.strictObject({
  url: address
    .refine((text) => !/[{}]/.test(text.replace(/\{[A-Za-z][\w.]{0,99}\}/g, '')), {
      error: 'expected places such as {userId}: the name of a member of the event',
    })
    .refine((text) => !/^[^:]*:\/\/[^/?#]*\{/.test(text), {
      error: 'expected no place in the host: the event must not decide whom Steward calls',
    })
    .describe('Where to; behind the host it may name members of the event: https://crm.example/users/{userId}.'),
  method: z.enum(['GET', 'POST', 'PUT', 'PATCH']).default('POST').describe('How.'),
  headers: z
    .record(z.string(), z.union([z.string(), secret]))
    .default({})
    .describe('Headers; what is secret as {env: NAME}, {file: /path} or {credential: name}.'),
  timeout: duration('100ms', '1m').default('10s').describe('An answer that takes longer is none.'),
  repeatable: z
    .boolean()
    .optional()
    .describe(
      'Whether a second delivery is harmless, because the receiver knows its Idempotency-Key again. GET and PUT are so; POST and PATCH only where this says so.',
    ),
  allowPrivate: z.boolean().default(false).describe('Allow an address in a private network or on this machine.'),
});

const steps = <Name extends string>(...names: readonly Name[]) =>
  z
    .strictObject(
      Object.fromEntries(names.map((name) => [name, Call.optional().describe(`The request of the step ${name}.`)])) as {
        [N in Name]: z.ZodOptional<typeof Call>;
      },
    )
    .prefault({} as never);

/** What the steps of the shipped workflows call that only your application can do, and workflows of one's own. A step without a call is skipped. */
export const WorkflowCalls = z.strictObject({
  on_user_register: steps('workspace', 'permissions', 'welcome').describe('What happens for a new user.'),
  on_content_publish: steps('preview', 'search', 'webhooks').describe('What happens for new content.'),
  custom: uniqueBy('name', z.array(CustomWorkflow).max(500))
    .default([])
    .describe('Workflows of your own: what starts them, and their steps.'),
});
export type WorkflowCalls = z.output<typeof WorkflowCalls>;
