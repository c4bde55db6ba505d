import { createHash, randomBytes } from 'node:crypto';
import type { Kysely, Transaction } from 'kysely';
import { type Actor, may } from '../core/actor.ts';
import type { AuditLog } from '../core/audit.ts';
import { StewardError } from '../core/errors.ts';
import type { PlanToken } from '../core/run-service.ts';
import type { RunRow } from './run-rows.ts';
import type { EngineTables } from './tables.ts';

const VALID_MS = 15 * 60_000;
const HINT = 'Make another dry run, look at its plan, and ask for a token of that one.';

export const hashOfToken = (token: string): string => createHash('sha256').update(token).digest('hex');

/** Of a dry run that succeeded; only its hash is kept. */
export async function issueToken(
  { db, audit, now }: { db: Kysely<EngineTables>; audit: AuditLog; now: () => Date },
  row: RunRow,
  actor: Actor,
): Promise<PlanToken> {
  const refusal = !row.dry_run
    ? `Run ${row.id} is no dry run; only a plan that was not applied can be started by a token.`
    : row.status !== 'succeeded' || row.plan_hash === null || row.input_hash === null
      ? `Run ${row.id} is ${row.status}; only a dry run that succeeded has a plan to start.`
      : undefined;
  if (refusal !== undefined) throw new StewardError('CONFLICT', refusal, { hint: HINT });
  const entry = { action: 'plan-token.created', actor, subject: { kind: 'run', id: row.id }, from: actor.kind };
  if (!may(actor, 'operate', row.automation)) {
    await audit.append({ ...entry, outcome: 'refused' });
    throw new StewardError(
      'FORBIDDEN',
      `${actor.name} has the role ${actor.role}, which may not run ${row.automation}.`,
    );
  }
  const planHash = row.plan_hash ?? '';
  const token = `stp_${randomBytes(32).toString('base64url')}`;
  const expiresAt = new Date(now().getTime() + VALID_MS);
  await audit.append({ ...entry, outcome: 'allowed', detail: { automation: row.automation, planHash } });
  await db
    .insertInto('plan_tokens')
    .values({
      hash: hashOfToken(token),
      run_id: row.id,
      actor_id: actor.id,
      automation: row.automation,
      input_hash: row.input_hash ?? '',
      plan_hash: planHash,
      expires_at: expiresAt,
      used_by: null,
    })
    .execute();
  return { token, planHash, expiresAt };
}

/** The hash that the plan must have. Whatever does not fit is said, and nothing of the token is used up. */
export async function checkToken(
  db: Kysely<EngineTables>,
  hash: string,
  asked: {
    readonly automation: string;
    readonly inputHash: string;
    readonly actor: Actor;
    readonly dryRun: boolean;
    readonly now: Date;
  },
): Promise<string> {
  const known = await db.selectFrom('plan_tokens').selectAll().where('hash', '=', hash).executeTakeFirst();
  if (!known) throw new StewardError('FORBIDDEN', 'The plan token is not known.', { hint: HINT });
  if (known.actor_id !== asked.actor.id)
    throw new StewardError('FORBIDDEN', 'The plan token was given to somebody else.', { hint: HINT });
  if (known.used_by !== null)
    throw new StewardError('CONFLICT', `The plan token was used already, for run ${known.used_by}.`, { hint: HINT });
  if (known.expires_at <= asked.now)
    throw new StewardError('PLAN_STALE', `The plan token expired at ${known.expires_at.toISOString()}.`, {
      hint: HINT,
    });
  if (known.automation !== asked.automation || known.input_hash !== asked.inputHash)
    throw new StewardError('PLAN_STALE', 'The plan token was given for another automation or another input.', {
      hint: HINT,
    });
  if (asked.dryRun)
    throw new StewardError('INPUT_INVALID', 'A plan token starts a run; a dry run takes none.', {
      problems: [{ path: 'planToken', message: 'expected none together with dryRun' }],
    });
  return known.plan_hash;
}

/** In the transaction that stores the run: of two who use it at once, one is refused. */
export async function useToken(trx: Transaction<EngineTables>, hash: string, runId: string): Promise<void> {
  const { numUpdatedRows } = await trx
    .updateTable('plan_tokens')
    .set({ used_by: runId })
    .where('hash', '=', hash)
    .where('used_by', 'is', null)
    .executeTakeFirst();
  if (numUpdatedRows === 0n) throw new StewardError('CONFLICT', 'The plan token was used already.', { hint: HINT });
}
