import type { AnyWorkflow } from '../core/workflow.ts';
import autoBackup from './auto-backup.ts';
import autoOptimize from './auto-optimize.ts';
import autoScaleCheck from './auto-scale-check.ts';
import type { CallOf } from './call.ts';
import cleanupTempFiles from './cleanup-temp-files.ts';
import healthCheck from './health-check.ts';
import onContentPublish from './on-content-publish.ts';
import onUserRegister from './on-user-register.ts';

/** Every workflow that ships: the six core ones, and the schedules of Steward itself. */
export function workflows(callOf: CallOf = () => undefined): AnyWorkflow[] {
  return [
    autoBackup,
    healthCheck,
    autoOptimize,
    autoScaleCheck,
    onUserRegister(callOf),
    onContentPublish(callOf),
    cleanupTempFiles,
  ];
}
