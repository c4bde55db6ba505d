import { type BackupSchedule, CADENCES } from '../core/backup/schedule.ts';
import type { AnyWorkflow, WorkflowTrigger } from '../core/workflow.ts';
import autoBackup from './auto-backup.ts';
import fullBackup from './full-backup.ts';

/** The same list for the same schedule: whoever goes by it sees that nothing changed. */
const TRIGGERS = Object.fromEntries(
  Object.entries(CADENCES).map(([name, { databases, everything }]) => [
    name,
    { databases: databases === undefined ? [] : [at(databases)], everything: [at(everything)] },
  ]),
) as Record<BackupSchedule, { readonly databases: WorkflowTrigger[]; readonly everything: WorkflowTrigger[] }>;

function at(cron: string): WorkflowTrigger {
  return { kind: 'schedule', schedule: { cron, catchUp: 'latest', overlap: 'skip' } };
}

/** The chains that make copies, started when the configuration in force says. */
export function scheduledBackups(schedule: () => BackupSchedule): readonly [AnyWorkflow, AnyWorkflow] {
  return [
    {
      ...autoBackup,
      get triggers() {
        return TRIGGERS[schedule()].databases;
      },
    },
    {
      ...fullBackup,
      get triggers() {
        return TRIGGERS[schedule()].everything;
      },
    },
  ];
}
