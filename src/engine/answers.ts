import { type Actor, may } from '../core/actor.ts';
import { formatDuration } from '../core/duration.ts';
import { StewardError } from '../core/errors.ts';
import { redactText } from '../core/redact.ts';
import { isFinal, type Run } from '../core/run.ts';
import type { RunService } from '../core/run-service.ts';
import type { RunRow } from './run-rows.ts';
import type { StartDeps } from './start.ts';
import { sql } from 'kysely';

/** Wakes the process that has the run in hand. */
export const CANCEL_CHANNEL = 'steward_cancel';

type Answers = Pick<RunService, 'approve' | 'reject' | 'cancel'> & {
  /** Ends the proposals that nobody answered in time, and what waits for a node that does not begin it. */
  expire(): Promise<number>;
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
    refusal: string | undefined,
    reason?: string,
  ): Promise<void> {
    const entry = {
      action,
      actor,
      subject: { kind: 'run', id: row.id },
      from: actor.kind,
      reason,
      causation: row.causation,
      detail: { automation: row.automation, ...(row.plan_hash !== null && { planHash: row.plan_hash }) },
    };
    await audit.append({ ...entry, outcome: refusal === undefined ? 'allowed' : 'refused' });
    if (refusal !== undefined) throw new StewardError('FORBIDDEN', refusal);
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
    async approve(id, { planHash, actor }) {
      const row = await load(id);
      if (row.status === 'waiting-approval' && row.expires_at && row.expires_at <= now()) {
        await runs.move(id, { to: 'expired', from: ['waiting-approval'] });
        throw new StewardError(
          'PRECONDITION_FAILED',
          `The plan of run ${id} expired at ${row.expires_at.toISOString()}.`,
          { hint: 'Start it again for a new plan.' },
        );
      }
      if (row.status !== 'waiting-approval')
        throw new StewardError(
          'CONFLICT',
          `Run ${id} is ${row.status}; only a run that waits for approval can be approved.`,
        );
      if (row.plan_hash !== planHash) {
        throw new StewardError('PLAN_STALE', `The plan of run ${id} has the hash ${row.plan_hash}, not ${planHash}.`, {
          hint: 'Look at the plan again, and approve what you see.',
        });
      }
      await allowed('run.approved', row, actor, refusalOf(row, actor));
      const approval = {
        by: actor.name,
        at: now().toISOString(),
        planHash,
        ...(row.expires_at && { expiresAt: row.expires_at.toISOString() }),
      };
      const { moved, row: approved } = await runs.move(id, {
        to: 'queued',
        from: ['waiting-approval'],
        actor,
        patch: { stage: 'apply', approval: JSON.stringify(approval), expires_at: null },
      });
      if (!moved && approved.status !== 'queued')
        throw new StewardError('CONFLICT', `Run ${id} is ${approved.status} by now.`);
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
        actor.role === 'agent' ? 'An agent proposes; a person answers.' : mayAnswer(actor),
        reason,
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
        foreign ? 'An agent cancels what it asked for itself, and nothing else.' : mayAnswer(actor),
        reason,
      );
      const cancel = { by: actor.name, reason: redactText(reason) };
      const error = JSON.stringify({ code: 'CANCELED', message: redactText(`Canceled by ${actor.name}: ${reason}`) });
      const end = {
        to: 'canceled',
        from: ['queued', 'waiting-approval'],
        actor,
        patch: { cancel: JSON.stringify(cancel), error },
      } as const;
      // It may move on between the two: from planning to waiting, or to its end.
      while (!(await asked(id, cancel))) {
        const { moved, row: current } = await runs.move(id, end);
        if (moved) await deps.forget(row).catch(() => undefined);
        if (moved || isFinal(current.status)) break;
      }
      return await result(id);
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

function mayAnswer(actor: Actor): string | undefined {
  if (!may(actor, 'operate')) return `${actor.name} has the role ${actor.role}, which may not answer for a run.`;
  return undefined;
}

function refusalOf(row: RunRow, actor: Actor): string | undefined {
  if (actor.role === 'agent') return 'An agent proposes; a person approves.';
  if (actor.kind === 'system') return 'Steward does not approve what it proposes itself.';
  if (row.effect === 'destructive') {
    if (!may(actor, 'destroy')) return `${actor.name} has the role ${actor.role}, which may not approve what destroys.`;
    if (actor.kind !== 'user' || actor.session === undefined)
      return 'What destroys is approved by a person who signed in; a token is not enough.';
  }
  return mayAnswer(actor);
}
