import { StewardError } from '../../core/errors.ts';
import type { StewardEvent } from '../../core/event.ts';
import { fileStamp } from '../../core/exports.ts';
import type { ScoreTrend } from '../../core/score.ts';
import type { ReportsDeps } from './deps.ts';
import type { AnyReport, AnyReportKind } from './kinds.ts';
import type { ReportsTables } from './tables.ts';
import { trendUntil } from './trend.ts';

/** What a finished run tells; written by the engine, and read as something that may be of another version. */
interface Finished {
  readonly runId?: string;
  readonly automation?: string;
  readonly status?: string;
  readonly dryRun?: boolean;
}

/** Keeps the report that a run of this node made, writes its files, and tells a person where that is due. */
export async function keepReport(
  event: StewardEvent,
  kinds: readonly AnyReportKind[],
  deps: ReportsDeps,
): Promise<void> {
  const { runId, automation, status, dryRun } = event.data as Finished;
  const kind = kinds.find((each) => each.automation === automation);
  if (!kind || status !== 'succeeded' || dryRun || runId === undefined) return;
  const run = await deps.runs.get(runId);
  if (run?.node !== deps.node.id) return;
  const parsed = kind.schema.safeParse(run.output);
  if (!parsed.success) return;
  const report: AnyReport = parsed.data;
  const id = `${kind.prefix}_${runId.replace(/^run_/, '')}`;
  await store(kind, { id, runId, report }, deps);
  await kind.kept?.(report, id, deps);
  const trend = await trendUntil(kind.kind, report, deps.store.db);
  if (kind.message && deps.settings().send.includes(kind.kind))
    await deps.send({
      id,
      at: report.at,
      path: `${kind.asked.path}/${id}/file`,
      ...kind.message(report),
      attachments: [
        {
          fileName: `${kind.fileName(report)}_${fileStamp(report.at)}.html`,
          contentType: 'text/html; charset=utf-8',
          content: kind.render(report, trend),
        },
      ],
    });
  await writeFiles(kind, report, trend, deps);
}

/** Once: the same event may come again. */
async function store(
  { kind, subject, facts: factsOf }: AnyReportKind,
  { id, runId, report }: { readonly id: string; readonly runId: string; readonly report: AnyReport },
  { store: { db, events }, node }: ReportsDeps,
): Promise<void> {
  const { at, score } = report;
  const facts = factsOf(report);
  await db
    .withTables<ReportsTables>()
    .transaction()
    .execute(async (trx) => {
      const written = await trx
        .insertInto('reports')
        .values({
          id,
          kind,
          node: node.id,
          node_name: report.node,
          run_id: runId,
          at,
          score: score ?? null,
          facts: JSON.stringify(facts),
          findings: JSON.stringify(report),
        })
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst();
      if (!written) return;
      await events.append(trx, {
        type: 'report.written',
        node: node.id,
        subject: { kind: subject, id },
        causation: { runId },
        data: { report: kind, ...(score !== undefined && { score }), ...facts },
      });
    });
}

async function writeFiles(
  { folder, fileName, latest, json, render, log: lines }: AnyReportKind,
  report: AnyReport,
  trend: ScoreTrend,
  { exports: files, settings, log }: ReportsDeps,
): Promise<void> {
  const name = `${fileName(report)}_${fileStamp(report.at)}`;
  const { format } = settings();
  try {
    if (format !== 'html') {
      await files.write(folder, `${name}.json`, `${JSON.stringify(json(report), null, 2)}\n`);
      await files.link(folder, `${latest}.json`, `${name}.json`);
    }
    if (format !== 'json') {
      await files.write(folder, `${name}.html`, render(report, trend));
      await files.link(folder, `${latest}.html`, `${name}.html`);
    }
    if (lines) await files.write('logs', `${lines.files}${fileStamp(report.at)}.log`, lines.lines(report));
  } catch (thrown) {
    // The store has it; a full disk must not keep the news of it from a person.
    log.warn('files of a report not written', { report: name, reason: StewardError.from(thrown).message });
  }
}
