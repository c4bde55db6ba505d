import type { ProposedSource } from '../../core/backup/propose.ts';
import type { Locks } from '../../core/backup/object-lock.ts';
import type { KitCopy } from '../../core/backup/recovery-kit.ts';
import type { BackupSchedule } from '../../core/backup/schedule.ts';
import type { Exports } from '../../core/exports.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Log } from '../../core/log.ts';
import type { BackupsPort } from '../../core/ports/backups.ts';
import type { BackupRules } from '../../core/ports/copies.ts';
import type { RunService, WorkflowService } from '../../core/run-service.ts';
import type { Store } from '../../store/store.ts';

export interface BackupSettings {
  readonly rules: BackupRules;
  /** When copies are made by themselves. */
  readonly schedule: BackupSchedule;
  /** A copy smaller than the usual one by this share is told. */
  readonly shrink: number;
  /** One that takes so many times what is usual is told. */
  readonly slow: number;
}

export interface BackupsDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  /** Looks only; what changes a repository is a run. */
  readonly backups: Pick<BackupsPort, 'sources' | 'repositories' | 'state' | 'objectLock' | 'entries' | 'manifest'>;
  /** The page to restore without Steward, with the keys in it. */
  readonly kit: (copies: readonly KitCopy[], locks: Locks) => Promise<string>;
  readonly proposals: () => Promise<readonly ProposedSource[]>;
  readonly runs: Pick<RunService, 'get'>;
  readonly workflows: Pick<WorkflowService, 'execute'>;
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve' | 'unresolved'>;
  readonly exports: Exports;
  readonly settings: () => BackupSettings;
  readonly keepMs: () => number;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
  readonly log: Log;
}
