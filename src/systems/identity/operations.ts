import type { AnyOperation } from '../../core/operation.ts';
import type { Confirm } from './confirm.ts';
import type { IdentityParts } from './deps.ts';
import { accountOperations } from './operations-account.ts';
import { sessionOperations } from './operations-sessions.ts';
import { tokenOperations } from './operations-tokens.ts';
import { userOperations } from './operations-users.ts';

export function identityOperations(parts: IdentityParts, confirm: Confirm): readonly AnyOperation[] {
  const { db } = parts;
  return [
    ...tokenOperations(db),
    ...userOperations(db, confirm),
    ...sessionOperations(db),
    ...accountOperations(parts, confirm),
  ];
}
