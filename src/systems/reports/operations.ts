import { sql } from 'kysely';
import { z } from 'zod';
import { CursorInstant, CursorText } from '../../core/cursor.ts';
import { StewardError } from '../../core/errors.ts';
import { fileStamp } from '../../core/exports.ts';
import { HealthFindings } from '../../core/health-report.ts';
import { type AnyOperation, defineQuery, NoInput, PageInput, pageOf } from '../../core/operation.ts';
import type { ReportsDeps } from './deps.ts';
import type { ReportsTables } from './tables.ts';
import { trendUntil } from './trend.ts';

const HealthRow = z.object({
  id: z.string(),
  node: z.string(),
  at: z.coerce.date(),
  score: z.number(),
  failed: z.number().int(),
  warnings: z.number().int(),
  critical: z.boolean(),
  runId: z.string(),
});

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

const reportId = CursorText.min(1).max(100).describe("Id of the report, or 'latest'.");

export function reportsOperations({ store, render }: Pick<ReportsDeps, 'store' | 'render'>): AnyOperation[] {
  const db = store.db.withTables<ReportsTables>();

  async function found(id: string): Promise<HealthFindings & { readonly id: string; readonly runId: string }> {
    const row = await db
      .selectFrom('health_reports')
      .select(['id', 'run_id', 'findings'])
      .$if(id !== 'latest', (query) => query.where('id', '=', id))
      .orderBy('at', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (row) return { ...HealthFindings.parse(row.findings), id: row.id, runId: row.run_id };
    throw new StewardError(
      'NOT_FOUND',
      id === 'latest' ? 'There is no health report yet.' : `No health report is called '${id}'.`,
      {
        hint: 'Make one now: steward run daily-health-check',
      },
    );
  }

  return [
    defineQuery({
      name: 'health-reports',
      title: 'Health reports',
      summary: 'Lists the daily health reports, newest first.',
      permission: 'read',
      input: PageInput.extend({ node: z.string().min(1).max(200).optional().describe('Only of this machine.') }),
      output: pageOf(HealthRow),
      paths: ['/api/v1/automation/reports/health'],
      cli: ['reports'],
      columns: ['at', 'node', 'score', 'failed', 'warnings', 'critical', 'id'],
      async handle({ limit, cursor, node }) {
        const before = place(cursor);
        const rows = await db
          .selectFrom('health_reports')
          .select(['id', 'node_name', 'run_id', 'at', 'score', 'failed', 'warnings', 'critical'])
          .$if(node !== undefined, (query) =>
            query.where((where) => where.or([where('node', '=', node ?? ''), where('node_name', '=', node ?? '')])),
          )
          .$if(before !== undefined, (query) =>
            before === undefined ? query : query.where(sql<boolean>`(at, id) < (${before.at}, ${before.id})`),
          )
          .orderBy('at', 'desc')
          .orderBy('id', 'desc')
          .limit(limit + 1)
          .execute();
        const items = rows
          .slice(0, limit)
          .map(({ node_name, run_id, ...row }) => ({ ...row, node: node_name, runId: run_id }));
        const last = items.at(-1);
        return { items, ...(rows.length > limit && last ? { next: `${last.at.toISOString()}~${last.id}` } : {}) };
      },
    }),

    defineQuery({
      name: 'health-report-get',
      title: 'Health report',
      summary: 'Shows one health report: its score, what took points away, and everything that was looked at.',
      permission: 'read',
      input: z.object({ id: reportId }),
      output: HealthFindings.extend({ id: z.string(), runId: z.string() }),
      paths: ['/api/v1/automation/reports/health/{id}'],
      cli: ['report'],
      cliArguments: ['id'],
      handle: ({ id }) => found(id),
    }),

    defineQuery({
      name: 'health-report-file',
      title: 'Health report as a file',
      summary: 'Gives one health report as a document that opens without a network, or as JSON.',
      permission: 'read',
      input: z.object({ id: reportId, format: z.enum(['html', 'json']).default('html') }),
      output: z.object({ fileName: z.string().describe('How the file would be called.') }),
      paths: ['/api/v1/automation/reports/health/{id}/file'],
      cli: ['report-file'],
      cliArguments: ['id'],
      handle: async ({ id, format }) => ({ fileName: fileNameOf(await found(id), format) }),
      download: {
        types: ['text/html', 'application/json'],
        async open({ id, format }) {
          const { id: _id, runId: _run, ...findings } = await found(id);
          const text =
            format === 'html'
              ? render(findings, await trendUntil(findings, store.db))
              : `${JSON.stringify(findings, null, 2)}\n`;
          return {
            fileName: fileNameOf(findings, format),
            contentType: format === 'html' ? 'text/html; charset=utf-8' : 'application/json',
            chunks: (async function* () {
              yield text;
            })(),
          };
        },
      },
    }),

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

function place(cursor: string | undefined): { at: Date; id: string } | undefined {
  if (cursor === undefined) return undefined;
  const [time = '', id = ''] = cursor.split('~', 2);
  const at = CursorInstant.safeParse(time);
  if (at.success && CursorText.safeParse(id).success) return { at: at.data, id };
  throw new StewardError('INPUT_INVALID', `cursor: '${cursor}' is not one that this list gave.`, {
    hint: "Send the 'next' of the page before.",
  });
}

function fileNameOf({ at }: Pick<HealthFindings, 'at'>, format: string): string {
  return `daily_health_report_${fileStamp(at)}.${format}`;
}
