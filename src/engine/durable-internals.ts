import { DBOSExecutor } from '@dbos-inc/dbos-sdk/internal/dbos-executor';
import { dbRetryConfig } from '@dbos-inc/dbos-sdk/internal/utils';
import { wfQueueRunner } from '@dbos-inc/dbos-sdk/internal/wfqueue';
import { workflowTimeoutConfig } from '@dbos-inc/dbos-sdk/internal/workflow_management';
import { type Kysely, sql } from 'kysely';

/*
 * All that Steward knows of the inside of DBOS, of the exact version that is pinned; durable-internals.integration.test.ts fails
 * when an update moves any of it.
 */

const FIRST_RETRY_SECONDS = 0.1;
const LONGEST_RETRY_SECONDS = 2;
/** No workflow of Steward has a deadline of DBOS's; its look for them stays, far apart. */
const DEADLINES_EVERY_MS = 3_600_000;

/** After the launch: it looks into no queue, and is back soon after the database is. */
export function calmDown(): void {
  dbRetryConfig.initialBackoffSec = FIRST_RETRY_SECONDS;
  dbRetryConfig.maxBackoffSec = LONGEST_RETRY_SECONDS;
  workflowTimeoutConfig.pollingIntervalMs = DEADLINES_EVERY_MS;
  wfQueueRunner.stop();
}

/**
 * Makes the workflows those of this executor, whoever had them: from then on every checkpoint of the execution before is refused,
 * because its token is another. Gives those that it got; one that has ended, or is not there, is not among them.
 */
export async function claimWorkflows(
  // oxlint-disable-next-line typescript/no-explicit-any -- any transaction of the store will do
  db: Kysely<any>,
  ids: readonly string[],
  { executor, token, version }: { readonly executor: string; readonly token: string; readonly version: string },
): Promise<string[]> {
  if (ids.length === 0) return [];
  const { rows } = await sql<{ id: string }>`
    update dbos.workflow_status set status = 'PENDING', executor_id = ${executor}, owner_xid = ${token}, queue_name = null,
      application_version = ${version}, recovery_attempts = recovery_attempts + 1,
      started_at_epoch_ms = (extract(epoch from now()) * 1000)::bigint,
      updated_at = (extract(epoch from now()) * 1000)::bigint
    where workflow_uuid = any(${ids}::text[]) and status in ('PENDING', 'ENQUEUED', 'DELAYED')
    returning workflow_uuid as id`.execute(db);
  return rows.map(({ id }) => id);
}

/** Goes on with workflows that were claimed with the token, from their last checkpoints. */
export async function continueWorkflows(ids: readonly string[], token: string): Promise<void> {
  await DBOSExecutor.globalInstance?.dispatchDequeuedWorkflows([...ids], token);
}

/** The status of each that exists, as DBOS calls it. */
export async function statusOf(
  // oxlint-disable-next-line typescript/no-explicit-any -- any connection of the store will do
  db: Kysely<any>,
  ids: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (ids.length === 0) return new Map();
  const { rows } = await sql<{ id: string; status: string }>`
    select workflow_uuid as id, status from dbos.workflow_status where workflow_uuid = any(${ids}::text[])`.execute(db);
  return new Map(rows.map(({ id, status }) => [id, status]));
}
