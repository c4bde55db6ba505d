import type { AuditLog } from '../../core/audit.ts';
import type { Catalog } from '../../core/catalog.ts';
import type { Log } from '../../core/log.ts';
import type { RunFollowUps, RunService } from '../../core/run-service.ts';

export interface Runbook {
  readonly kind: 'runbook' | 'automation';
  readonly name: string;
  readonly title: string;
  /** Markdown. */
  text(): Promise<string> | string;
}

export interface McpDeps {
  readonly catalog: Catalog;
  readonly runs: RunService & Pick<RunFollowUps, 'planToken'>;
  readonly audit: AuditLog;
  /** Where people approve; undefined before the address is known. */
  readonly page: () => string | undefined;
  /** What people wrote down: how it heals, and a page for each automation. */
  readonly runbooks: readonly Runbook[];
  readonly version: string;
  readonly now: () => Date;
  readonly log: Log;
}
