import type { BackupSchedule } from '../core/backup/schedule.ts';
import type { AnyWorkflow } from '../core/workflow.ts';
import agentRestartMonitor from './agent-restart-monitor.ts';
import apiTests from './api-tests.ts';
import autoOptimize from './auto-optimize.ts';
import autoScaleCheck from './auto-scale-check.ts';
import { scheduledBackups } from './backup-schedule.ts';
import backupVerification from './backup-verification.ts';
import type { CallOf } from './call.ts';
import cleanupTempFiles from './cleanup-temp-files.ts';
import dailyHealthCheck from './daily-health-check.ts';
import databaseMaintenance from './database-maintenance.ts';
import healthCheck from './health-check.ts';
import logRotationCleanup from './log-rotation-cleanup.ts';
import logWeeklySummary from './log-weekly-summary.ts';
import onContentPublish from './on-content-publish.ts';
import onUserRegister from './on-user-register.ts';
import optimizeDatabase from './optimize-database.ts';
import performanceReportGenerator from './performance-report-generator.ts';
import processQueuedJobs from './process-queued-jobs.ts';
import renewSsl from './renew-ssl.ts';
import securityScanner from './security-scanner.ts';
import weeklySummary from './weekly-summary.ts';

/** Every workflow that ships: the six core ones, and the schedules of Steward itself. */
export function workflows(
  callOf: CallOf = () => undefined,
  backups: () => BackupSchedule = () => 'every-6h',
): AnyWorkflow[] {
  const [autoBackup, fullBackup] = scheduledBackups(backups);
  return [
    autoBackup,
    healthCheck,
    autoOptimize,
    autoScaleCheck,
    onUserRegister(callOf),
    onContentPublish(callOf),
    cleanupTempFiles,
    agentRestartMonitor,
    apiTests,
    backupVerification,
    dailyHealthCheck,
    databaseMaintenance,
    fullBackup,
    logRotationCleanup,
    logWeeklySummary,
    optimizeDatabase,
    performanceReportGenerator,
    processQueuedJobs,
    renewSsl,
    securityScanner,
    weeklySummary,
  ];
}
