import { sql } from 'kysely';
import { z } from 'zod';
import { CursorInstant, CursorText } from '../../core/cursor.ts';
import { StewardError } from '../../core/errors.ts';
import { fileStamp } from '../../core/exports.ts';
import { type AnyOperation, defineQuery, PageInput, pageOf } from '../../core/operation.ts';
import type { ReportsDeps } from './deps.ts';
import type { AnyReport, AnyReportKind } from './kinds.ts';
import type { ReportsTables } from './tables.ts';
import { trendUntil } from './trend.ts';

const reportId = CursorText.min(1).max(100).describe("Id of the report, or 'latest'.");

interface Found {
  readonly id: string;
  readonly runId: string;
  readonly report: AnyReport;
}

/** The list of one kind of report, one of them, and one as a file. */
export function reportOperations(kind: AnyReportKind, store: Pick<ReportsDeps['store'], 'db'>): AnyOperation[] {
  const db = store.db.withTables<ReportsTables>();
  const { asked } = kind;
  const Row = z.object({
    id: z.string(),
    node: z.string(),
    at: z.coerce.date(),
    score: z.number().optional(),
    ...kind.Facts,
    runId: z.string(),
  });

  async function found(id: string): Promise<Found> {
    const row = await db
      .selectFrom('reports')
      .select(['id', 'run_id', 'findings'])
      .where('kind', '=', kind.kind)
      .$if(id !== 'latest', (query) => query.where('id', '=', id))
      .orderBy('at', 'desc')
      .limit(1)
      .executeTakeFirst();
    if (row) return { id: row.id, runId: row.run_id, report: kind.schema.parse(row.findings) };
    const what = asked.get.title.toLowerCase();
    throw new StewardError(
      'NOT_FOUND',
      id === 'latest' ? `There is no ${what} yet.` : `No ${what} is called '${id}'.`,
      {
        hint: `Make one now: ${asked.make}`,
      },
    );
  }
  const fileNameOf = (report: AnyReport, format: string): string =>
    `${kind.fileName(report)}_${fileStamp(report.at)}.${format}`;

  return [
    defineQuery({
      ...asked.list,
      permission: 'read',
      input: PageInput.extend({ node: z.string().min(1).max(200).optional().describe('Only of this machine.') }),
      output: pageOf(Row),
      paths: [asked.path],
      columns: asked.columns,
      async handle({ limit, cursor, node }) {
        const before = place(cursor);
        const rows = await db
          .selectFrom('reports')
          .select(['id', 'node_name', 'run_id', 'at', 'score', 'facts'])
          .where('kind', '=', kind.kind)
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
        const items = rows.slice(0, limit).map(({ node_name, run_id, score, facts, ...row }) => ({
          ...row,
          ...facts,
          ...(score !== null && { score }),
          node: node_name,
          runId: run_id,
        }));
        const last = items.at(-1);
        return { items, ...(rows.length > limit && last ? { next: `${last.at.toISOString()}~${last.id}` } : {}) };
      },
    }),

    defineQuery({
      ...asked.get,
      permission: 'read',
      input: z.object({ id: reportId }),
      output: kind.schema.extend({ id: z.string(), runId: z.string() }),
      paths: [`${asked.path}/{id}`],
      cliArguments: ['id'],
      async handle({ id: wanted }) {
        const { id, runId, report } = await found(wanted);
        return { ...report, id, runId };
      },
    }),

    defineQuery({
      ...asked.file,
      permission: 'read',
      input: z.object({ id: reportId, format: z.enum(['html', 'json']).default('html') }),
      output: z.object({ fileName: z.string().describe('How the file would be called.') }),
      paths: [`${asked.path}/{id}/file`],
      cliArguments: ['id'],
      handle: async ({ id, format }) => ({ fileName: fileNameOf((await found(id)).report, format) }),
      download: {
        types: ['text/html', 'application/json'],
        async open({ id, format }) {
          const { report } = await found(id);
          const text =
            format === 'html'
              ? kind.render(report, await trendUntil(kind.kind, report, store.db))
              : `${JSON.stringify(kind.json(report), null, 2)}\n`;
          return {
            fileName: fileNameOf(report, format),
            opens: format === 'html',
            contentType: format === 'html' ? 'text/html; charset=utf-8' : 'application/json',
            chunks: (async function* () {
              yield text;
            })(),
          };
        },
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
