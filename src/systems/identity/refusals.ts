import type { AuditEntry, AuditLog } from '../../core/audit.ts';
import type { ErrorCode } from '../../core/errors.ts';
import type { Store } from '../../store/store.ts';

const REFUSED: readonly ErrorCode[] = ['FORBIDDEN', 'POLICY_REFUSED'];

/** The record, for surfaces: each time an actor is turned away from what it may not have, an event tells of it as well. */
export function tellRefusals({
  audit,
  store,
  node,
}: {
  readonly audit: AuditLog;
  readonly store: Pick<Store, 'db' | 'events'>;
  readonly node: string;
}): AuditLog {
  return {
    async append(entry) {
      await audit.append(entry);
      if (!isRefusal(entry)) return;
      const { action, actor, subject, from, reason } = entry;
      await store.db.transaction().execute((trx) =>
        store.events.append(trx, {
          type: 'security.refused',
          actor,
          subject,
          node,
          data: { action, from, ...(reason !== undefined && { reason }) },
        }),
      );
    },
  };
}

function isRefusal({ action, outcome, detail }: AuditEntry): boolean {
  if (action === 'access.refused') return true;
  if (outcome === 'allowed' || outcome === 'succeeded') return false;
  const { code } = (detail ?? {}) as { code?: unknown };
  return REFUSED.some((each) => each === code);
}
