import type { Actor } from '../core/actor.ts';
import { formatDuration } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import type { Confirmation } from '../core/identity.ts';
import type { JsonObject } from '../core/json.ts';
import { redactText } from '../core/redact.ts';
import { isFinal, type Run, type RunStatus } from '../core/run.ts';
import type { RunService } from '../core/run-service.ts';
import { mayAnswer, notWaiting, refusalOf } from './approval.ts';
import { paused } from './mode.ts';
import type { RunRow } from './run-rows.ts';
import type { StartDeps } from './start.ts';
import { sql } from 'kysely';

/** Wakes the process that has the run in hand. */
export const CANCEL_CHANNEL = 'steward_cancel';

type Answers = Pick<RunService, 'approve' | 'reject' | 'cancel'> & {
  /** Ends the proposals that nobody answered in time, and what waits for a node that does not begin it. */
  expire(): Promise<number>;
  /** Everything that changes, or is about to; what waits for a person goes on waiting. */
  cancelAll(by: string, reason: string): Promise<number>;
};

/** What people say to a run. */
export function createAnswers(deps: StartDeps & { readonly forget: (row: RunRow) => Promise<void> }): Answers {
  const { runs, audit, now } = deps;

  async function load(id: string): Promise<RunRow> {
    const row = await runs.row(id);
    if (!row) throw new StewardError('NOT_FOUND', `There is no run ${id}.`, { hint: 'See steward runs.' });
    return row;
  }

  async function result(id: string): Promise<Run> {
    const run = await runs.get(id);
    if (!run) throw new StewardError('NOT_FOUND', `There is no run ${id}.`);
    return run;
  }

  async function allowed(
    action: string,
    row: RunRow,
    actor: Actor,
    refusal: StewardError | undefined,
    { reason, detail = {} }: { reason?: string | undefined; detail?: JsonObject } = {},
  ): Promise<void> {
    await audit.append({
      action,
      actor,
      subject: { kind: 'run', id: row.id },
      outcome: refusal ? 'refused' : 'allowed',
      from: actor.kind,
      reason,
      causation: row.causation,
      detail: {
        automation: row.automation,
        ...(row.plan_hash !== null && { planHash: row.plan_hash }),
        ...detail,
        ...(refusal && { code: refusal.code, message: refusal.message }),
      },
    });
    if (refusal) throw refusal;
  }

  /** Whether it is in somebody's hands, who is told then. */
  async function asked(id: string, cancel: { by: string; reason: string }): Promise<boolean> {
    const { numUpdatedRows } = await runs.db
      .updateTable('runs')
      .set({ cancel: JSON.stringify(cancel) })
      .where('id', '=', id)
      .where('status', 'in', ['planning', 'running', 'rolling-back'])
      .executeTakeFirst();
    if (numUpdatedRows === 0n) return false;
    await sql`select pg_notify(${CANCEL_CHANNEL}, ${id})`.execute(runs.db);
    return true;
  }

  /** Wherever it is in its life. It may move on between the two: from planning to waiting, or to its end. */
  async function end(
    row: RunRow,
    cancel: { by: string; reason: string },
    actor?: Actor,
    from: RunStatus[] = ['queued', 'waiting-approval'],
  ): Promise<void> {
    const error = JSON.stringify({
      code: 'CANCELED',
      message: redactText(`Canceled by ${cancel.by}: ${cancel.reason}`),
    });
    const patch = { cancel: JSON.stringify(cancel), error };
    while (!(await asked(row.id, cancel))) {
      const { moved, row: current } = await runs.move(row.id, { to: 'canceled', from, actor, patch });
      if (moved) await deps.forget(row).catch(() => undefined);
      if (moved || isFinal(current.status) || current.status === 'waiting-approval') break;
    }
  }

  /** What stands against an approval: what it is asked of first, then who asks, then how. */
  async function against(
    row: RunRow,
    { planHash, actor, confirmation }: { planHash: string; actor: Actor; confirmation: Confirmation | undefined },
  ): Promise<StewardError | undefined> {
    if (row.status !== 'waiting-approval') return notWaiting(row);
    if (row.plan_hash !== planHash)
      return new StewardError('PLAN_STALE', `The plan of run ${row.id} has the hash ${row.plan_hash}, not that one.`, {
        hint: 'Look at the plan again, and approve what you see.',
      });
    const refusal = refusalOf(row, actor, confirmation, now());
    if (refusal) return refusal;
    const mode = await deps.mode.current();
    return mode.mode === 'normal' ? undefined : paused(mode, 'nothing is approved; the run goes on waiting');
  }

  /** What was asked for days ago must not happen when the node is back: nobody expects it any more. */
  async function expireQueued(): Promise<number> {
    const before = new Date(now().getTime() - deps.limits.deadlineMs);
    const stuck = await runs.db
      .selectFrom('runs')
      .selectAll()
      .where('status', '=', 'queued')
      .where('created_at', '<=', before)
      .where(sql<boolean>`coalesce((approval->>'at')::timestamptz, created_at) <= ${before}`)
      .execute();
    for (const row of stuck) {
      const error = JSON.stringify({
        code: 'TIMEOUT',
        message: `Node ${row.node} did not begin it for ${formatDuration(deps.limits.deadlineMs)}.`,
        hint: 'See steward nodes; start it again once the node is back.',
      });
      const { moved } = await runs.move(row.id, { to: 'expired', from: ['queued'], patch: { error } });
      if (moved) await deps.forget(row).catch(() => undefined);
    }
    return stuck.length;
  }

  return {
    async approve(id, { planHash, actor, confirmation }) {
      const row = await load(id);
      if (row.status === 'waiting-approval' && row.expires_at && row.expires_at <= now()) {
        await runs.move(id, { to: 'expired', from: ['waiting-approval'] });
        const expired = new StewardError(
          'PRECONDITION_FAILED',
          `The plan of run ${id} expired at ${row.expires_at.toISOString()}.`,
          { hint: 'Start it again for a new plan.' },
        );
        return await allowed('run.approved', row, actor, expired).then(() => result(id));
      }
      const method = confirmation?.method ?? (actor.session === undefined ? 'token' : 'session');
      await allowed('run.approved', row, actor, await against(row, { planHash, actor, confirmation }), {
        detail: { method, given: planHash },
      });
      const approval = {
        by: actor.name,
        at: now().toISOString(),
        planHash,
        method,
        ...(row.expires_at && { expiresAt: row.expires_at.toISOString() }),
      };
      const { moved, row: approved } = await runs.move(id, {
        to: 'queued',
        from: ['waiting-approval'],
        actor,
        patch: { stage: 'apply', approval: JSON.stringify(approval), expires_at: null },
      });
      if (!moved) await allowed('run.approved', row, actor, notWaiting(approved));
      await deps.enqueue(approved).catch(() => undefined);
      return await result(id);
    },

    async reject(id, { actor, reason }) {
      const row = await load(id);
      if (row.status !== 'waiting-approval')
        throw new StewardError(
          'CONFLICT',
          `Run ${id} is ${row.status}; only a run that waits for approval can be rejected.`,
        );
      await allowed(
        'run.rejected',
        row,
        actor,
        actor.role === 'agent' || actor.kind === 'system'
          ? new StewardError('FORBIDDEN', 'An agent proposes; a person answers.')
          : mayAnswer(actor),
        { reason },
      );
      const error = JSON.stringify({
        code: 'POLICY_REFUSED',
        message: redactText(`Rejected by ${actor.name}: ${reason}`),
      });
      await runs.move(id, { to: 'rejected', from: ['waiting-approval'], actor, patch: { error } });
      return await result(id);
    },

    async cancel(id, { actor, reason }) {
      const row = await load(id);
      if (isFinal(row.status)) throw new StewardError('CONFLICT', `Run ${id} ended already: it is ${row.status}.`);
      const foreign = actor.role === 'agent' && row.actor.id !== actor.id;
      await allowed(
        'run.cancel-requested',
        row,
        actor,
        foreign
          ? new StewardError('FORBIDDEN', 'An agent cancels what it asked for itself, and nothing else.')
          : mayAnswer(actor),
        { reason },
      );
      await end(row, { by: actor.name, reason: redactText(reason) }, actor);
      return await result(id);
    },

    async cancelAll(by, reason) {
      const rows = await runs.db
        .selectFrom('runs')
        .selectAll()
        .where('status', 'in', ['queued', 'planning', 'running'])
        .where('effect', '!=', 'read')
        .where('dry_run', '=', false)
        .execute();
      for (const row of rows) await end(row, { by, reason }, undefined, ['queued']);
      return rows.length;
    },

    async expire() {
      const late = await runs.db
        .selectFrom('runs')
        .select('id')
        .where('status', '=', 'waiting-approval')
        .where('expires_at', '<=', now())
        .execute();
      for (const { id } of late) await runs.move(id, { to: 'expired', from: ['waiting-approval'] });
      return late.length + (await expireQueued());
    },
  };
}
