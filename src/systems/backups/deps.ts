import type { KitCopy } from '../../core/backup/recovery-kit.ts';
import type { BackupSource } from '../../core/backup/source.ts';
import type { Exports } from '../../core/exports.ts';
import type { Incidents } from '../../core/incident.ts';
import type { Log } from '../../core/log.ts';
import type { BackupsPort } from '../../core/ports/backups.ts';
import type { BackupRules } from '../../core/ports/copies.ts';
import type { RunService, WorkflowService } from '../../core/run-service.ts';
import type { Store } from '../../store/store.ts';

export interface BackupSettings {
  readonly rules: BackupRules;
  /** A copy smaller than the usual one by this share is told. */
  readonly shrink: number;
  /** Percent of a repository from which on it is told. */
  readonly nearlyFull: number;
}

/** Something on this machine that could be copied, and whether it is. */
export interface Proposal {
  readonly name: string;
  readonly kind: BackupSource['kind'];
  /** Name of the configured source that covers it; none: nobody copies it. */
  readonly coveredBy: string | undefined;
  readonly why: string;
  /** What a person has to add to steward.yaml. */
  readonly missing: string | undefined;
  readonly yaml: string;
}

export interface BackupsDeps {
  readonly store: Pick<Store, 'db' | 'events'>;
  /** Looks only; what changes a repository is a run. */
  readonly backups: Pick<BackupsPort, 'sources' | 'repositories' | 'state' | 'entries' | 'manifest'>;
  /** The page to restore without Steward, with the keys in it. */
  readonly kit: (copies: readonly KitCopy[]) => Promise<string>;
  readonly proposals: () => Promise<readonly Proposal[]>;
  readonly runs: Pick<RunService, 'get'>;
  readonly workflows: Pick<WorkflowService, 'execute'>;
  readonly incidents: Pick<Incidents, 'open' | 'byFingerprint' | 'resolve'>;
  readonly exports: Exports;
  readonly settings: () => BackupSettings;
  readonly keepMs: () => number;
  readonly node: { readonly id: string; readonly name: string };
  readonly now: () => Date;
  readonly log: Log;
}
