import { type Actor, may } from '../core/actor.ts';
import { StewardError } from '../core/errors.ts';
import { approvalPurpose, type Confirmation } from '../core/identity.ts';
import type { RunRow } from './run-rows.ts';

/** Whoever confirmed longer ago may have left the room. */
export const CONFIRMATION_MS = 5 * 60_000;
/** Clocks of two nodes differ by this much at most before somebody is told. */
const SKEW_MS = 5_000;

const HOW =
  'Approve it on the page of this Steward, or with steward run approve RUN PLAN_HASH in a terminal; both ask for the password.';

/** Why this actor may not let this plan happen; undefined where nothing stands against it. */
export function refusalOf(
  row: Pick<RunRow, 'id' | 'automation' | 'effect' | 'plan_hash'>,
  actor: Actor,
  confirmation: Confirmation | undefined,
  now: Date,
): StewardError | undefined {
  const forbidden = (message: string, hint?: string): StewardError => new StewardError('FORBIDDEN', message, { hint });
  if (actor.role === 'agent') return forbidden('An agent proposes; a person approves.');
  if (actor.kind === 'system') return forbidden('Steward does not approve what it proposes itself.');
  if (row.effect !== 'destructive') return mayAnswer(actor);
  if (!may(actor, 'destroy', 'approve-run'))
    return forbidden(`${actor.name} has the role ${actor.role}, which may not approve what destroys.`);
  if (actor.kind !== 'user' || actor.session === undefined)
    return forbidden('What destroys is approved by a person who signed in; a token is not enough.', HOW);
  const missing = unconfirmed(row, confirmation, now);
  return missing === undefined ? undefined : new StewardError('CONFIRMATION_REQUIRED', missing, { hint: HOW });
}

export function mayAnswer(actor: Actor): StewardError | undefined {
  if (may(actor, 'operate')) return undefined;
  return new StewardError(
    'FORBIDDEN',
    `${actor.name} has the role ${actor.role}${actor.scope ? ' and a token of a narrow scope' : ''}, which may not answer for a run.`,
  );
}

function unconfirmed(
  row: Pick<RunRow, 'id' | 'plan_hash'>,
  confirmation: Confirmation | undefined,
  now: Date,
): string | undefined {
  if (!confirmation) return 'What destroys is approved with the password or a passkey, given for this very plan.';
  if (confirmation.purpose !== approvalPurpose(row.id, row.plan_hash ?? ''))
    return 'The confirmation was given for something else than this plan.';
  const age = now.getTime() - confirmation.at.getTime();
  if (age > CONFIRMATION_MS || age < -SKEW_MS) return 'The confirmation is too old: it counts for five minutes.';
  return undefined;
}

/** Why a run in this state cannot be approved, as precisely as it is known. */
export function notWaiting(row: RunRow): StewardError {
  const message = row.error?.message ?? '';
  if (row.approval)
    return new StewardError(
      'CONFLICT',
      `Run ${row.id} was approved already, by ${row.approval.by} at ${new Date(row.approval.at).toISOString()}; it is ${row.status}.`,
      { hint: 'An approval counts once.' },
    );
  if (row.status === 'rejected')
    return new StewardError('CONFLICT', `Run ${row.id} is rejected: ${message}`, {
      hint: row.error?.hint ?? 'Start it again for a new plan.',
    });
  if (row.status === 'expired' || row.status === 'stale')
    return new StewardError('PLAN_STALE', `Run ${row.id} is ${row.status}: its plan counts no more.`, {
      hint: 'Start it again for a new plan.',
    });
  return new StewardError(
    'CONFLICT',
    `Run ${row.id} is ${row.status}; only a run that waits for approval can be approved.`,
  );
}
