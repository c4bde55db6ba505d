import { VerificationReport } from '../../core/backup/verification.ts';
import { StewardError } from '../../core/errors.ts';
import type { StewardEvent } from '../../core/event.ts';
import { fileStamp } from '../../core/exports.ts';
import type { BackupsDeps } from './deps.ts';

export const REPORT_PREFIX = 'backup_verification_report_';
const LATEST = 'latest_backup_verification_report.json';

interface Finished {
  readonly runId?: string;
  readonly automation?: string;
  readonly dryRun?: boolean;
}

/** Writes what a verification of this machine found as a file; the store is what counts. */
export async function keepVerificationReport(
  event: StewardEvent,
  { runs, node, exports: files, log }: Pick<BackupsDeps, 'runs' | 'node' | 'exports' | 'log'>,
): Promise<void> {
  const { runId, automation, dryRun } = event.data as Finished;
  if (automation !== 'verify-backups' || dryRun || runId === undefined) return;
  const run = await runs.get(runId);
  if (run?.node !== node.id) return;
  const { success, data } = VerificationReport.safeParse(run.output);
  if (!success) return;
  const name = `${REPORT_PREFIX}${fileStamp(data.at)}.json`;
  try {
    await files.write('logs', name, `${JSON.stringify(data, null, 2)}\n`);
    await files.link('logs', LATEST, name);
  } catch (thrown) {
    log.warn('the file of a verification was not written', { reason: StewardError.from(thrown).message });
  }
}
