import type { Kysely } from 'kysely';
import { type Actor, may } from '../core/actor.ts';
import type { AuditLog } from '../core/audit.ts';
import { StewardError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Mode, ModeRecord } from '../core/mode.ts';
import { redactText } from '../core/redact.ts';
import type { Store } from '../store/store.ts';
import type { EngineTables } from './tables.ts';

const STRICTNESS: readonly Mode[] = ['normal', 'observe-only', 'stopped'];

export interface ModeKeeper {
  /** As the database says it now, for every node alike. */
  current(): Promise<ModeRecord>;
  set(mode: Mode, options: { readonly actor: Actor; readonly reason: string }): Promise<ModeRecord>;
}

interface ModeDeps {
  readonly store: Store;
  readonly audit: AuditLog;
  readonly now: () => Date;
  readonly log: Log;
  readonly nodeId: string;
  /** Ends what is under way, on every node. Whatever begins after the mode is stored finds it by itself. */
  readonly cancelAll: (by: string, reason: string) => Promise<number>;
}

/** The kill switch: who may operate can pull it, and it takes an administrator to let go of it. */
export function createMode({ store, audit, now, log, nodeId, cancelAll }: ModeDeps): ModeKeeper {
  const db: Kysely<EngineTables> = store.db.withTables<EngineTables>();

  async function current(): Promise<ModeRecord> {
    const row = await db.selectFrom('engine_mode').select(['mode', 'by', 'reason', 'since']).executeTakeFirst();
    return row ?? { mode: 'normal' };
  }

  async function assertAllowed(actor: Actor, from: Mode, to: Mode): Promise<void> {
    const loosens = STRICTNESS.indexOf(to) < STRICTNESS.indexOf(from);
    const permission = loosens ? 'administer' : 'operate';
    const refusal =
      actor.role === 'agent' || actor.kind === 'system'
        ? 'A person decides what Steward may do at all.'
        : may(actor, permission, 'set-mode')
          ? undefined
          : `${actor.name} has the role ${actor.role}, which may not ${loosens ? 'release Steward' : 'stop Steward'}.`;
    if (refusal === undefined) return;
    await audit.append({
      action: 'mode.changed',
      actor,
      outcome: 'refused',
      from: actor.kind,
      reason: refusal,
      before: from,
      after: to,
    });
    throw new StewardError('FORBIDDEN', refusal, {
      hint: loosens ? 'An administrator releases it.' : 'An operator stops it.',
    });
  }

  return {
    current,
    async set(mode, { actor, reason }) {
      const { mode: before } = await current();
      await assertAllowed(actor, before, mode);
      const why = redactText(reason);
      await audit.append({
        action: 'mode.changed',
        actor,
        outcome: 'allowed',
        from: actor.kind,
        reason: why,
        before,
        after: mode,
      });
      const values = { mode, by: actor.name, reason: why, since: now() };
      await db.transaction().execute(async (trx) => {
        await trx
          .insertInto('engine_mode')
          .values(values)
          .onConflict((conflict) => conflict.column('one').doUpdateSet(values))
          .execute();
        await store.events.append(trx, {
          type: 'mode.changed',
          subject: { kind: 'mode', id: mode },
          data: { mode, before, by: actor.name, reason: why },
          actor,
          node: nodeId,
        });
      });
      if (mode === 'stopped') {
        const canceled = await cancelAll(actor.name, `Steward was stopped: ${why}`);
        log.warn('steward was stopped', { by: actor.name, canceled });
      } else log.info('mode changed', { mode, before, by: actor.name });
      return values;
    },
  };
}

/** STEWARD_PAUSED, with who said so and why. */
export function paused({ mode, by, reason }: ModeRecord, what: string): StewardError {
  const state = mode === 'stopped' ? 'is stopped' : 'only observes';
  return new StewardError(
    'STEWARD_PAUSED',
    `Steward ${state}${by === undefined ? '' : ` (${by}${reason === undefined ? '' : `: ${reason}`})`}, so ${what}.`,
    { hint: 'An administrator lets it go on: steward mode normal --reason TEXT' },
  );
}
