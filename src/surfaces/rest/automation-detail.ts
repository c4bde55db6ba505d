import { z } from 'zod';
import { type AnyAutomation, RUN_LIMITS } from '../../core/automation.ts';
import { jsonSchemaOf } from '../json-schema-of.ts';

/** One automation as whoever is about to start it needs it. */
export const AutomationDetail = z.object({
  name: z.string(),
  version: z.number().int(),
  title: z.string(),
  summary: z.string(),
  category: z.string(),
  effect: z.enum(['read', 'write', 'destructive']),
  priority: z.string(),
  load: z.enum(['cpu', 'io', 'light']).describe('What it uses most; heavy ones of a kind do not overlap on a node.'),
  ifMissed: z.string(),
  needs: z.array(z.string()).describe('Which parts of the outside it is given, and no others.'),
  anywhere: z.boolean().describe('It touches no machine, so any node may run it.'),
  safeguards: z.object({
    limit: z.string().describe('How long a run may plan, and again how long it may apply.'),
    timeout: z.string().describe('How long one step may take.'),
    attempts: z.number().int().describe('Tries of a step whose error can get better by itself.'),
    backoff: z.string().describe('Before the second try; it doubles each time.'),
  }),
  examples: z.array(z.object({ title: z.string(), input: z.record(z.string(), z.json()) })),
  input: z.json().describe('JSON Schema of the input.'),
  output: z.json().describe('JSON Schema of the output.'),
});

export function detailOf(automation: AnyAutomation): z.output<typeof AutomationDetail> {
  const { safeguards, needs, placement, input, output, examples, ...rest } = automation;
  const { limit = 'default', timeout, retry } = safeguards;
  return AutomationDetail.parse({
    ...rest,
    needs: [...needs],
    anywhere: placement === 'any',
    safeguards: { limit: RUN_LIMITS[limit], timeout, ...retry },
    examples,
    input: jsonSchemaOf(input, 'input'),
    output: jsonSchemaOf(output, 'output'),
  });
}
