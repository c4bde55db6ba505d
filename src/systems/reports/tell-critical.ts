import type { HealthFindings } from '../../core/health-report.ts';
import type { ReportsDeps } from './deps.ts';

/** One incident for each machine, for as long as its health reports are critical; its alerts go where all alerts go. */
export async function tellCritical(
  { node, critical, failed, score, items }: HealthFindings,
  report: string,
  incidents: ReportsDeps['incidents'],
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
