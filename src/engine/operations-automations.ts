import { z } from 'zod';
import { type AnyOperation, defineQuery, NoInput } from '../core/operation.ts';
import { PolicyRule } from '../core/policy.ts';
import type { OperationDeps } from './operation-deps.ts';

const Automation = z.object({
  name: z.string(),
  version: z.number().int(),
  title: z.string(),
  summary: z.string(),
  category: z.string(),
  effect: z.enum(['read', 'write', 'destructive']),
  priority: z.string(),
  load: z.enum(['cpu', 'io', 'light']),
  needs: z.array(z.string()),
  ifMissed: z.string(),
  input: z.json().describe('JSON Schema of the input.'),
});

export function automationOperations({ catalog, policyRules }: OperationDeps): AnyOperation[] {
  const automations = defineQuery({
    name: 'automations',
    title: 'Automations',
    summary: 'Lists everything Steward can do to the machines, with the input each one takes.',
    permission: 'read',
    input: NoInput,
    output: z.object({ items: z.array(Automation) }),
    columns: ['name', 'effect', 'priority', 'summary'],
    async handle() {
      const items = [...catalog().automations.values()].map(
        ({ name, version, title, summary, category, effect, priority, load, needs, ifMissed, input }) => ({
          name,
          version,
          title,
          summary,
          category,
          effect,
          priority,
          load,
          needs: [...needs],
          ifMissed,
          input: z.toJSONSchema(input, { io: 'input', unrepresentable: 'any' }) as z.output<typeof Automation>['input'],
        }),
      );
      return { items };
    },
  });

  const policy = defineQuery({
    name: 'policy',
    title: 'Policy',
    summary:
      'Shows the table that decides what runs by itself, what waits for a person, and what only looks; the first row that matches decides.',
    permission: 'read',
    input: NoInput,
    output: z.object({ items: z.array(PolicyRule) }),
    columns: ['id', 'decision', 'why'],
    handle: async () => ({ items: [...policyRules()] }),
  });

  return [automations, policy];
}
