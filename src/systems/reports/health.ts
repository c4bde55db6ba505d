import { StewardError } from '../../core/errors.ts';
import type { StewardEvent } from '../../core/event.ts';
import { fileStamp } from '../../core/exports.ts';
import { HealthFindings, type HealthTrend } from '../../core/health-report.ts';
import type { Incidents } from '../../core/incident.ts';
import { healthLines } from './lines.ts';
import { trendUntil } from './trend.ts';
import type { ReportsDeps } from './deps.ts';
import type { ReportsTables } from './tables.ts';

export const HEALTH_CHECK = 'daily-health-check';

/** What a finished run tells; written by the engine, and read as something that may be of another version. */
interface Finished {
  readonly runId?: string;
  readonly automation?: string;
  readonly status?: string;
  readonly dryRun?: boolean;
}

/** Keeps the report that a run of this node made, writes its files, and tells a person where it is critical. */
export async function keepHealthReport(event: StewardEvent, deps: ReportsDeps): Promise<void> {
  const { runId, automation, status, dryRun } = event.data as Finished;
  if (automation !== HEALTH_CHECK || status !== 'succeeded' || dryRun || runId === undefined) return;
  const run = await deps.runs.get(runId);
  if (run?.node !== deps.node.id) return;
  const parsed = HealthFindings.safeParse(run.output);
  if (!parsed.success) return;
  const findings = parsed.data;
  const id = `hr_${runId.replace(/^run_/, '')}`;
  await store(id, runId, findings, deps);
  await tell(findings, id, deps.incidents);
  await writeFiles(findings, await trendUntil(findings, deps.store.db), deps);
}

/** Once: the same event may come again. */
async function store(
  id: string,
  runId: string,
  findings: HealthFindings,
  { store: { db, events }, node }: ReportsDeps,
): Promise<void> {
  const { at, score, failed, warnings, critical } = findings;
  await db
    .withTables<ReportsTables>()
    .transaction()
    .execute(async (trx) => {
      const written = await trx
        .insertInto('health_reports')
        .values({
          id,
          node: node.id,
          node_name: findings.node,
          run_id: runId,
          at,
          score,
          failed,
          warnings,
          critical,
          findings: JSON.stringify(findings),
        })
        .onConflict((conflict) => conflict.doNothing())
        .returning('id')
        .executeTakeFirst();
      if (!written) return;
      await events.append(trx, {
        type: 'report.written',
        node: node.id,
        subject: { kind: 'health-report', id },
        causation: { runId },
        data: { report: 'health', score, failed, warnings, critical },
      });
    });
}

/** One incident for each machine, for as long as its reports are critical; its alerts go where all alerts go. */
async function tell(
  { node, critical, failed, score, items }: HealthFindings,
  report: string,
  incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve'>,
): Promise<void> {
  const fingerprint = `report.critical:health:${node}`;
  if (critical) {
    await incidents.open({
      fingerprint,
      title: `The health report of ${node} is critical: ${failed} checks failed, score ${score}`,
      symptom: 'report.critical',
      severity: 'critical',
      evidence: {
        report,
        failed: items
          .filter(({ state }) => state === 'failed')
          .slice(0, 50)
          .map(({ group, name, message }) => ({ group, name, message })),
      },
    });
    return;
  }
  const open = await incidents.byFingerprint(fingerprint);
  if (open && open.status !== 'resolved')
    await incidents.resolve(
      open.id,
      `The next health report is not critical: ${failed} checks failed, score ${score}.`,
    );
}

async function writeFiles(
  findings: HealthFindings,
  trend: HealthTrend,
  { exports: files, render, log }: ReportsDeps,
): Promise<void> {
  const stamp = fileStamp(findings.at);
  const name = `daily_health_report_${stamp}`;
  try {
    await files.write('reports', `${name}.json`, `${JSON.stringify(findings, null, 2)}\n`);
    await files.link('reports', 'latest_health_report.json', `${name}.json`);
    await files.write('reports', `${name}.html`, render(findings, trend));
    await files.link('reports', 'latest_health_report.html', `${name}.html`);
    await files.write('logs', `daily_health_check_${stamp}.log`, healthLines(findings));
  } catch (thrown) {
    // The store has it; a full disk must not keep the news of it from a person.
    log.warn('files of a health report not written', { reason: StewardError.from(thrown).message });
  }
}
