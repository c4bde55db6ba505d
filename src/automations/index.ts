import type { AnyAutomation } from '../core/automation.ts';
import awaitRecovery from './await-recovery/index.ts';
import backup from './backup/index.ts';
import callHttp from './call-http/index.ts';
import cleanDocker from './clean-docker/index.ts';
import cleanTempFiles from './clean-temp-files/index.ts';
import clearCaches from './clear-caches/index.ts';
import clearSessions from './clear-sessions/index.ts';
import closeSandbox from './close-sandbox/index.ts';
import dailyHealthCheck from './daily-health-check/index.ts';
import endBlockingSession from './end-blocking-session/index.ts';
import extractBackup from './extract-backup/index.ts';
import freeDiskSpace from './free-disk-space/index.ts';
import maintainDatabase from './maintain-database/index.ts';
import migrateDatabase from './migrate-database/index.ts';
import monitorPerformance from './monitor-performance/index.ts';
import monitorService from './monitor-service/index.ts';
import openSandbox from './open-sandbox/index.ts';
import processQueuedJobs from './process-queued-jobs/index.ts';
import pruneBackups from './prune-backups/index.ts';
import purgeQuarantine from './purge-quarantine/index.ts';
import recycleConnections from './recycle-connections/index.ts';
import relieveMemory from './relieve-memory/index.ts';
import reportPerformance from './report-performance/index.ts';
import resolveMigration from './resolve-migration/index.ts';
import restartService from './restart-service/index.ts';
import restoreBackup from './restore-backup/index.ts';
import resumeProcess from './resume-process/index.ts';
import summarizeWeek from './summarize-week/index.ts';
import verifyBackups from './verify-backups/index.ts';

/** Every automation that ships, in the order of their names. */
export function automations(): AnyAutomation[] {
  return [
    awaitRecovery,
    backup,
    callHttp,
    cleanDocker,
    cleanTempFiles,
    clearCaches,
    clearSessions,
    closeSandbox,
    dailyHealthCheck,
    endBlockingSession,
    extractBackup,
    freeDiskSpace,
    maintainDatabase,
    migrateDatabase,
    monitorPerformance,
    monitorService,
    openSandbox,
    processQueuedJobs,
    pruneBackups,
    purgeQuarantine,
    recycleConnections,
    relieveMemory,
    reportPerformance,
    resolveMigration,
    restartService,
    restoreBackup,
    resumeProcess,
    summarizeWeek,
    verifyBackups,
  ];
}
