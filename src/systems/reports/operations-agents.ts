import { z } from 'zod';
import { type AnyOperation, defineQuery, NoInput } from '../../core/operation.ts';
import type { ReportsDeps } from './deps.ts';
import type { ReportsTables } from './tables.ts';

const AgentRow = z.object({
  agent: z.string(),
  resourceId: z.string(),
  node: z.string(),
  at: z.coerce.date(),
  state: z.string(),
  since: z.coerce.date().optional(),
  uptimePercent: z.number().optional().describe('Of the last day.'),
  responseMs: z
    .object({ p50: z.number(), p95: z.number(), max: z.number(), samples: z.number().int() })
    .optional()
    .describe('Of good answers within the last day.'),
  restarts: z.object({ succeeded: z.number().int(), failed: z.number().int() }).describe('Within the last day.'),
  consecutiveFailures: z.number().int(),
  lastCheckedAt: z.coerce.date().optional(),
});

export function agentOperations(store: Pick<ReportsDeps['store'], 'db'>): AnyOperation[] {
  const db = store.db.withTables<ReportsTables>();
  return [
    defineQuery({
      name: 'agents',
      title: 'AI agents',
      summary: 'Lists the AI agents with their state, response times and restarts, as of the last look.',
      permission: 'read',
      input: NoInput,
      output: z.array(AgentRow),
      paths: ['/api/v1/automation/reports/agents'],
      cli: ['agents'],
      columns: ['agent', 'state', 'uptimePercent', 'consecutiveFailures', 'restarts', 'node', 'at'],
      async handle() {
        const rows = await db.selectFrom('agent_states').selectAll().orderBy('name').execute();
        return rows.map(({ state, node, at }) => ({ ...state, node, at }));
      },
    }),
  ];
}
